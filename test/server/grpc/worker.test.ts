import { type ServiceError, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { IluvatarWorkerClient } from '../../../src/rpc/gen/iluvatar_rpc.js';
import { ContainerState, RegisterRequest, RpcHealthStatus } from '../../../src/rpc/gen/iluvatar_rpc.js';
import { describeWith } from '../../support/requirement.js';
import { WorkerFixture } from '../../worker/support/worker-fixture.js';
import { archiveOf } from './archive.js';
import { called, GrpcStage, request } from './support.js';

/** A whole worker behind the original's wire, with containers of its own. */

const ECHO = `
import time
def main(args):
    if args.get("raise"):
        raise ValueError(args["raise"])
    if args.get("exit"):
        import os
        os._exit(3)
    time.sleep(args.get("sleep", 0))
    return {"echo": args}
`;

describeWith({ root: true, cgroups: true, command: 'python3' }, 'a worker over gRPC', () => {
  let fixture: WorkerFixture;
  let client: IluvatarWorkerClient;
  const stage = new GrpcStage();

  beforeAll(async () => {
    fixture = await WorkerFixture.start({ threads: true, grpc: { enabled: true, port: 0 } });
    await fixture.python('echo', ECHO);
    client = stage.client(Number(fixture.worker.grpcAddress?.split(':')[1]));
  });
  afterAll(async () => {
    await stage.end();
    await fixture?.[Symbol.asyncDispose]();
  });

  const invoke = (args: object, details = false) =>
    called(client.invoke, client, { ...request('echo', JSON.stringify(args)), details });

  it('says where it listens', async () => {
    expect(fixture.worker.grpcAddress).toMatch(/^127\.0\.0\.1:\d+$/);
    const { addresses } = await fixture.worker.status();
    expect(addresses).toEqual({
      http: fixture.worker.httpUrl?.slice('http://'.length),
      grpc: fixture.worker.grpcAddress,
    });
    expect(await called(client.ping, client, { message: 'x', transactionId: '' })).toEqual({ message: 'Pong' });
  });

  it('runs a function cold, then warm, and tells how long its container took', async () => {
    const cold = await invoke({ n: 1 });
    expect(cold).toMatchObject({ success: true, compute: 1, containerState: ContainerState.COLD });
    expect(JSON.parse(cold.jsonResult)).toEqual({ echo: { n: 1 } });
    const warm = await invoke({ n: 2, sleep: 0.02 }, true);
    expect(warm).toMatchObject({
      containerState: ContainerState.WARM,
      backend: 'process',
      attempts: 1,
      errorClass: '',
    });
    expect(warm.durationUs).toBeGreaterThanOrEqual(20_000);
    expect(warm.worker).toBe(fixture.worker.config.name);
    expect(warm.transactionId).not.toBe('');
  });

  it('tells a function that raises or dies from one that gives a result', async () => {
    const raised = await invoke({ raise: 'said "no"' }, true);
    expect(raised).toMatchObject({ success: false, compute: 1, errorClass: 'user_error' });
    expect(JSON.parse(raised.jsonResult).Error).toContain('said "no"');
    const died = await invoke({ exit: true }, true);
    expect(died).toMatchObject({ success: false, durationUs: 0, compute: 0, containerState: 0, errorClass: 'crashed' });
    expect(await invoke({ n: 3 })).toMatchObject({ success: true });
  });

  it("ends an invocation at its caller's deadline", async () => {
    const deadline = new Date(Date.now() + 300);
    const slow = called(client.invoke, client, request('echo', '{"sleep": 20}'), { deadline });
    const error = (await slow.catch((thrown) => thrown)) as ServiceError;
    expect(error.code).toBe(status.DEADLINE_EXCEEDED);
    // The one that slept has been ended: it is not there for the time that it wanted.
    await expect.poll(async () => (await fixture.worker.status()).running, { timeout: 10_000 }).toBe(0);
  });

  it('registers a definition with its source, and names it as the original does', async () => {
    const registration = {
      ...RegisterRequest.decode(new Uint8Array()),
      functionName: 'sent',
      functionVersion: '0.1',
      definitionJson: JSON.stringify({ memoryMb: 64 }),
      archive: await archiveOf({ 'main.py': 'def main(args):\n    return "sent"\n' }),
    };
    expect(await called(client.register, client, registration)).toMatchObject({ success: true, fqdn: 'sent-0.1' });
    const asked = { ...request('sent'), functionVersion: '0.1' };
    expect((await called(client.invoke, client, asked)).jsonResult).toBe('"sent"');
    const { functions } = await called(client.listRegisteredFuncs, client, { transactionId: '' });
    expect(functions).toContainEqual({ functionName: 'sent', functionVersion: '0.1', imageName: '' });
  });

  it('refuses an image for a backend that it has not', async () => {
    const image = {
      ...RegisterRequest.decode(new Uint8Array()),
      ...{ functionName: 'image', functionVersion: '1', imageName: 'docker.io/a/b:latest', memory: 128, cpus: 1 },
      ...{ parallelInvokes: 1, compute: 1, isolate: 1 },
    };
    const answer = await called(client.register, client, image);
    expect(answer).toMatchObject({ success: false, errorClass: 'invalid', fqdn: '' });
    expect(answer.error).toContain('containerd');
    const outside = await called(client.register, client, { ...image, memory: 10_000_000 });
    expect(outside.error).toContain('Illegal memory allocation request');
  });

  it('prewarms, estimates, and cleans', async () => {
    await fixture.python('ready', ECHO);
    const asked = { functionName: 'ready', functionVersion: '1', transactionId: '', compute: 1, count: 1 };
    expect(await called(client.prewarm, client, asked)).toMatchObject({ success: true, containers: 1 });
    const first = await called(client.invoke, client, request('ready'));
    expect(first.containerState).toBe(ContainerState.PREWARM);
    const { estTime } = await called(client.estInvokeTime, client, { fqdns: ['ready-1', 'no-1'], transactionId: '' });
    expect(estTime).toEqual([expect.any(Number), 0]);
    expect(estTime[0]).toBeGreaterThan(0);
    const gpu = await called(client.prewarm, client, { ...asked, compute: 2 });
    expect(gpu).toMatchObject({ success: false, containers: 0 });
    expect(await called(client.clean, client, { transactionId: 'cleaning' })).toEqual({});
    expect((await fixture.worker.status()).memory.cachedContainers).toBe(0);
  });

  it('tells status and health', async () => {
    const before = Math.floor(Date.now() / 1000);
    const now = await called(client.status, client, { transactionId: '', details: true });
    expect(now.workerName).toBe(fixture.worker.config.name);
    expect(now.timestamp).toBeGreaterThanOrEqual(before);
    for (const part of [now.usedMemPct, now.cpuUtil, now.cpuLoadAvg, now.gpuLoadAvg]) {
      expect(Number.isFinite(part)).toBe(true);
    }
    expect(JSON.parse(now.statusJson)).toMatchObject({ name: now.workerName, running: 0 });
    const running = called(client.invoke, client, request('echo', '{"sleep": 0.5}'));
    await expect
      .poll(async () => (await called(client.status, client, { transactionId: '', details: false })).numRunningFuncs)
      .toBe(1);
    await running;
    expect(await called(client.health, client, { transactionId: '' })).toEqual({ status: RpcHealthStatus.HEALTHY });
  });

  it('runs asynchronously, once for each key, and gives the result again and again', async () => {
    const asked = { ...request('echo', '{"n": 7, "sleep": 0.3}'), idempotencyKey: 'once' };
    const { lookupCookie } = await called(client.invokeAsync, client, asked);
    expect(await called(client.invokeAsync, client, asked)).toMatchObject({ lookupCookie, success: true });
    const look = { lookupCookie, transactionId: '', details: false, waitMs: 0 };
    expect(await called(client.invokeAsyncCheck, client, look)).toMatchObject({
      jsonResult: '{ "Status": "Invocation not completed" }',
      success: false,
    });
    for (const waitMs of [20_000, 0]) {
      const done = await called(client.invokeAsyncCheck, client, { ...look, waitMs });
      expect(done).toMatchObject({ success: true, compute: 1 });
      expect(JSON.parse(done.jsonResult)).toEqual({ echo: { n: 7, sleep: 0.3 } });
    }
    const nobody = await called(client.invokeAsync, client, { ...request('nobody'), idempotencyKey: '' });
    expect(nobody).toMatchObject({ success: false, lookupCookie: '', errorClass: 'not_found' });
    const unknown = called(client.invokeAsyncCheck, client, { ...look, lookupCookie: 'unknown' });
    expect((await unknown.catch((error) => error)).code).toBe(status.NOT_FOUND);
  });
});
