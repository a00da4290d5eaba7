import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LoadAnswer, LoadTarget } from '../../src/load/target.js';
import { openTarget } from '../../src/load/targets/open-target.js';
import { describeWith } from '../support/requirement.js';
import { WorkerFixture } from '../worker/support/worker-fixture.js';
import { closedWork, load, openWork } from './support.js';

/** One worker with real containers, and every way in. */

const SOURCE = `
cold = True

def main(args):
    global cold
    was, cold = cold, False
    if "fail" in args:
        raise ValueError("as asked")
    return {"body": {"cold": was, "start": 1.0, "end": 1.25, "latency": 0.25, "echo": args}}
`;

describeWith({ root: true, cgroups: true, command: 'python3' }, 'targets of a load', () => {
  let fixture: WorkerFixture;
  const targets = new Map<string, LoadTarget>();

  beforeAll(async () => {
    fixture = await WorkerFixture.start({ threads: true, grpc: { enabled: true, port: 0 }, cpu: { slots: 4 } });
    const { worker } = fixture;
    targets.set('unix', await openTarget(`unix:${worker.socketPath}`));
    targets.set('http', await openTarget(worker.httpUrl as string));
    if (worker.grpcAddress !== null) targets.set('grpc', await openTarget(`grpc://${worker.grpcAddress}`));
  });
  afterAll(async () => {
    for (const target of targets.values()) await target.close();
    await fixture?.[Symbol.asyncDispose]();
  });

  function call(target: LoadTarget, name: string, args: unknown, more = {}): Promise<LoadAnswer> {
    return target.invoke({ name, version: '1', args: JSON.stringify(args), tid: '', timeoutMs: 0, ...more });
  }

  it.each(['unix', 'http', 'grpc'])('registers, prewarms, calls and cleans over %s', async (kind) => {
    const target = targets.get(kind) as LoadTarget;
    const source = fixture.source(kind, { 'main.py': SOURCE });
    await target.register({ definition: { name: kind, source, memoryMb: 64 }, archive: null });
    await target.prewarm(kind, { version: '1', count: 1 });
    const first = await call(target, kind, { n: 1 }, { tid: `my-${kind}` });
    expect(first).toMatchObject({ outcome: 'ok', error: '', tid: `my-${kind}`, state: 'prewarm', attempts: 1 });
    expect(JSON.parse(first.result as string)).toMatchObject({ body: { cold: true, echo: { n: 1 } } });
    expect([first.queueUs >= 0, first.createUs >= 0, first.runUs > 0]).toEqual([true, true, true]);
    const second = await call(target, kind, {});
    expect([second.state, second.tid !== '']).toEqual(['warm', true]);
    const failed = await call(target, kind, { fail: true });
    expect(failed).toMatchObject({ outcome: 'user_error', result: null, error: expect.stringContaining('as asked') });
    expect(await call(target, 'nobody', {})).toMatchObject({ outcome: 'not_found', state: null, runUs: -1 });
    await expect(
      target.register({ definition: { name: kind, source, memoryMb: 128 }, archive: null }),
    ).rejects.toMatchObject({ errorClass: 'conflict' });
    await target.clean();
    expect((await fixture.worker.status()).memory.cachedMb).toBe(0);
  });

  it('is loaded in an open and a closed loop, from one process and from several', async () => {
    const target = targets.get('unix') as LoadTarget;
    await fixture.python('loaded', SOURCE, { memoryMb: 64 });
    const functions = [{ name: 'loaded', version: '1', args: '{}', timeoutMs: 0 }];
    const open = await load(target, openWork(60, 2000), { functions });
    expect([open.stopped, open.rows.length, open.summary.succeeded]).toEqual([null, 60, 60]);
    expect(open.rows.every(({ codeUs, startUs, sentUs }) => codeUs === 250_000 && startUs >= sentUs)).toBe(true);
    const several = await load(target, openWork(60, 2000), { functions, processes: 2 });
    expect([several.rows.length, several.summary.succeeded, several.summary.generator.processes]).toEqual([60, 60, 2]);
    const times = (rows: { arrivalUs: number }[]): number[] => rows.map((row) => row.arrivalUs).sort((a, b) => a - b);
    expect(times(several.rows)).toEqual(times(open.rows));
    const closed = await load(target, closedWork(3, { count: 30 }), { functions, processes: 2, clients: 3 });
    expect([closed.rows.length, closed.summary.steps[0]?.clients]).toEqual([30, 3]);
    expect(new Set(closed.rows.map(({ client }) => client))).toEqual(new Set([0, 1, 2]));
  });

  it('answers for a function that cannot be reached, whatever the way', async () => {
    const functions = [{ name: 'nobody', version: '1', args: '{}', timeoutMs: 0 }];
    for (const target of targets.values()) {
      const { summary } = await load(target, closedWork(2, { count: 10 }), { functions });
      expect([summary.failed, summary.errors[0]?.outcome]).toEqual([10, 'not_found']);
    }
  });

  it.each([
    ['an address that is none', 'carrier-pigeon', 'invalid', 'unix:PATH'],
    ['a socket that is not there', 'unix:/nowhere/socket', 'unavailable', 'no worker listens'],
    ['a port where nobody listens', 'http://127.0.0.1:9', 'unavailable', 'ECONNREFUSED'],
    ['a gRPC port where nobody listens', 'grpc://127.0.0.1:9', 'unavailable', 'ECONNREFUSED'],
  ])('refuses %s', async (_what, address, errorClass, text) => {
    await expect(openTarget(address)).rejects.toMatchObject({ errorClass, message: expect.stringContaining(text) });
  });
});
