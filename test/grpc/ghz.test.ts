import { afterAll, beforeAll, expect, it } from 'vitest';
import { Ghz } from '../../bench/lib/ghz.js';
import { describeWith } from '../support/requirement.js';
import { needsGo } from '../support/toolchain.js';
import { type GrpcWorker, startGrpcWorker } from './worker-stage.js';

const BUILD_MS = 900_000;

/** Calls without a pause from grpc-go, which measures its line by pings as it goes; `load` throws when any of them fails. */
describeWith({ condition: needsGo() }, 'ghz', () => {
  let ghz: Ghz;
  let worker: GrpcWorker;

  beforeAll(async () => {
    ghz = await Ghz.ready();
    worker = await startGrpcWorker();
    await worker.fixture.worker.register({ name: 'echo', source: worker.echo });
  }, BUILD_MS);
  afterAll(async () => await worker?.[Symbol.asyncDispose]());

  it.each([1, 64])('keeps %i calls open at a time', async (clients) => {
    const request = { function_name: 'echo', function_version: '1', json_args: '{"name":"world"}' };
    const figures = await ghz.load(worker.address, clients, 1, request);
    expect(figures.throughput).toBeGreaterThan(0);
    const { succeeded } = (await worker.fixture.worker.status()).counters;
    expect(succeeded).toBeGreaterThanOrEqual(clients);
  });
});
