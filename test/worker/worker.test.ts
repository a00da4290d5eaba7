import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../src/index.js';
import { rejection, WorkerFixture } from './support/worker-fixture.js';

const ECHO = 'def main(args):\n    print("seen", args.get("n"))\n    return {"echo": args}\n';

describe.each([
  ['on the caller’s thread', false],
  ['with threads', true],
])('a worker %s', (_name, threads) => {
  let fixture: WorkerFixture;

  beforeAll(async () => {
    fixture = await WorkerFixture.start({ threads });
    await fixture.python('echo', ECHO);
  });
  afterAll(async () => await fixture?.[Symbol.asyncDispose]());

  it('runs a function cold, then warm, with its phases and output', async () => {
    const { worker } = fixture;
    const cold = await worker.invoke('echo', { n: 1 });
    expect(cold).toMatchObject({ result: { echo: { n: 1 } }, containerState: 'cold', attempts: 1, stdout: 'seen 1\n' });
    expect(cold.phases.startUs).toBeGreaterThan(0);
    const warm = await worker.invoke('echo', { n: 2 });
    expect(warm).toMatchObject({ result: { echo: { n: 2 } }, containerState: 'warm', stdout: 'seen 2\n' });
    expect(warm.phases.startUs).toBe(0);
    expect(warm.tid).not.toBe('');
    expect(warm.tid).not.toBe(cold.tid);
  });

  it('takes arguments of several MiB, also for a container that is not there yet', async () => {
    const { worker } = fixture;
    const text = 'x'.repeat(3 * 1024 * 1024);
    await worker.clean();
    for (const state of ['cold', 'warm']) {
      const { result, containerState } = await worker.invoke<{ echo: { text: string } }>('echo', { text });
      expect([containerState, result.echo.text.length]).toEqual([state, text.length]);
    }
  });

  it('is reached over its unix socket, pipelined', async () => {
    await using client = await connect(fixture.worker.socketPath);
    const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => client.invoke('echo', { n })));
    expect(answers.map(({ result }) => (result as { echo: { n: number } }).echo.n)).toEqual(
      Array.from({ length: 50 }, (_, n) => n),
    );
  });

  it('is reached over HTTP', async () => {
    const response = await fetch(`${fixture.worker.httpUrl}/functions/echo/1/invoke`, {
      method: 'POST',
      body: '{"n":7}',
    });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ echo: { n: 7 } });
    expect(response.headers.get('x-iluvatar-state')).toMatch(/^(pre)?warm$/);
  });

  it('prewarms: the first invocation finds a container that never ran', async () => {
    const { worker } = fixture;
    await fixture.python('prewarmed', ECHO);
    expect(await worker.prewarm('prewarmed', { count: 2 })).toEqual({ containers: 2, attempts: 2 });
    expect((await worker.invoke('prewarmed', { n: 1 })).containerState).toBe('prewarm');
  });

  it('runs asynchronously, and the result may be read many times', async () => {
    const { worker } = fixture;
    const id = await worker.invokeAsync('echo', { n: 3 });
    const first = await worker.result(id, { waitMs: 10_000 });
    expect(first).toMatchObject({ id, status: 'done', result: { result: { echo: { n: 3 } } } });
    expect(await worker.result(id)).toEqual(first);
    expect((await rejection(worker.result('nonsense'))).errorClass).toBe('not_found');
    expect((await rejection(worker.invokeAsync('nobody'))).errorClass).toBe('not_found');
  });

  it('answers a user’s error with its traceback and keeps the container', async () => {
    const { worker } = fixture;
    await fixture.python('faulty', 'def main(args):\n    return {"value": 1 / args["by"]}\n');
    const error = await rejection(worker.invoke('faulty', { by: 0 }));
    expect(error.errorClass).toBe('user_error');
    expect(error.details.traceback).toContain('ZeroDivisionError');
    const next = await worker.invoke('faulty', { by: 2 });
    expect(next).toMatchObject({ result: { value: 0.5 }, containerState: 'warm' });
  });

  it('keeps running and cached memory apart, and their sum is the total', async () => {
    const { memory, queue } = await fixture.worker.status();
    expect(memory.runningMb + memory.cachedMb).toBe(memory.totalMb);
    expect(memory.cachedContainers).toBeGreaterThan(0);
    expect(queue.length).toBe(0);
  });

  it('estimates from what it has seen', async () => {
    const [seen, unseen] = await fixture.worker.estimate([{ name: 'echo' }, { name: 'nobody' }]);
    expect(seen).toBeGreaterThan(0);
    expect(unseen).toBe(0);
  });

  it('removes idle containers on clean', async () => {
    const { worker } = fixture;
    expect(await worker.clean()).toBeGreaterThan(0);
    const { memory } = await worker.status();
    expect(memory).toMatchObject({ cachedMb: 0, cachedContainers: 0 });
    expect((await worker.invoke('echo', { n: 1 })).containerState).toBe('cold');
  });

  it('gives up when the caller aborts', async () => {
    const { worker } = fixture;
    await fixture.python('sleepy', 'import time\ndef main(args):\n    time.sleep(args["s"])\n', { maxContainers: 1 });
    const running = worker.invoke('sleepy', { s: 0.5 });
    const caller = new AbortController();
    const queued = rejection(worker.invoke('sleepy', { s: 0 }, { signal: caller.signal }));
    caller.abort();
    expect((await queued).errorClass).toBe('cancelled');
    await running;
  });

  it('answers what waits longer than its time, and never runs it', async () => {
    const { worker } = fixture;
    const running = worker.invoke('sleepy', { s: 1 });
    const late = await rejection(worker.invoke('sleepy', { s: 0 }, { timeoutMs: 100 }));
    expect(late.errorClass).toBe('timeout');
    expect(late.message).toContain('queue');
    await running;
  });

  it('cuts a run that takes too long, says where it was, and replaces the container', async () => {
    const { worker } = fixture;
    const late = await rejection(worker.invoke('sleepy', { s: 30 }, { timeoutMs: 300 }));
    expect(late.errorClass).toBe('timeout');
    expect(late.details.traceback).toContain('time.sleep');
    expect((await worker.invoke('sleepy', { s: 0 })).containerState).toBe('cold');
  });

  it('lists, and forgets what is unregistered', async () => {
    const { worker } = fixture;
    expect((await worker.list()).map(({ name }) => name)).toContain('sleepy');
    await worker.unregister('sleepy');
    expect((await worker.list()).map(({ name }) => name)).not.toContain('sleepy');
    expect((await rejection(worker.invoke('sleepy'))).errorClass).toBe('not_found');
    expect((await rejection(worker.unregister('sleepy'))).errorClass).toBe('not_found');
  });

  it('is healthy, and says so', async () => {
    const health = await fixture.worker.health();
    expect(health.healthy).toBe(true);
    expect(health.backends.map(({ name }) => name)).toEqual(['process']);
  });
});

describe('stopping a worker', () => {
  it('waits for what runs, refuses what is new, and may be asked twice', async () => {
    await using fixture = await WorkerFixture.start();
    const { worker } = fixture;
    await fixture.python('slow', 'import time\ndef main(args):\n    time.sleep(0.5)\n    return "done"\n');
    const running = worker.invoke('slow');
    await new Promise((resolve) => setTimeout(resolve, 100));
    const stopping = worker.stop();
    const refused = await rejection(worker.invoke('slow'));
    expect(refused.errorClass).toBe('unavailable');
    expect((await running).result).toBe('done');
    await stopping;
    await worker.stop();
  });
});
