import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { WorkerConfigInput } from '../../../src/config/schema.js';
import { rejection } from '../support/worker-fixture.js';
import { Rig } from './support/rig.js';
import { STORES, type StoreUnderTest } from './support/stores.js';

const DIE = { do: 'die' };
const RAISE = { do: 'raise' };

describe.each(STORES)('asynchronous invocations on %s', (_name, create) => {
  let stored: StoreUnderTest;
  let rig: Rig;

  beforeEach(() => {
    stored = create();
  });
  afterEach(async () => {
    await rig?.[Symbol.asyncDispose]();
    await stored.remove();
  });

  async function started(config: WorkerConfigInput = {}): Promise<Rig> {
    rig = await Rig.start(config, await stored.open());
    return rig;
  }

  async function restart(): Promise<void> {
    await rig.end();
    await stored.close();
    await rig.begin(await stored.open());
  }

  it('tell how they ended, as often as they are asked, and after a restart', async () => {
    await started();
    await rig.simulated('echo', { result: { got: '$args' } });
    const [done, failed, dead] = await Promise.all([
      rig.invoke('echo', { n: 1 }, { tid: 'done' }),
      rig.invoke('echo', RAISE, { tid: 'failed' }),
      rig.invoke('echo', DIE, { tid: 'dead' }),
    ]);
    const ends = await Promise.all([done, failed, dead].map((id) => rig.result(id)));
    expect(ends).toMatchObject([
      {
        id: done,
        status: 'done',
        attempts: 1,
        name: 'echo',
        version: '1',
        error: null,
        result: { result: { got: { n: 1 } } },
      },
      {
        id: failed,
        status: 'failed',
        attempts: 1,
        result: null,
        error: { errorClass: 'user_error', message: 'raised' },
      },
      { id: dead, status: 'dead', attempts: 3, result: null, error: { errorClass: 'crashed' } },
    ]);
    expect(ends.every(({ acceptedAt, finishedAt }) => finishedAt !== null && finishedAt >= acceptedAt)).toBe(true);
    expect(rig.status().async).toMatchObject({
      accepted: 3,
      done: 1,
      failed: 1,
      dead: 1,
      retries: 2,
      waiting: 0,
      running: 0,
    });
    await restart();
    expect(await Promise.all([done, failed, dead].map((id) => rig.result(id, 0)))).toEqual(ends);
    expect([...rig.runs].sort()).toEqual(['dead', 'dead', 'dead', 'done', 'failed']);
    expect((await rejection(rig.result('nonsense', 0))).errorClass).toBe('not_found');
  });

  it('go on after a restart where they were: those that ran and those that waited', async () => {
    await started();
    await rig.simulated('slow', { run: 30_000_000, result: 'late' }, { async: { concurrency: 2 } });
    const ids = await Promise.all(['a', 'b', 'c', 'd'].map((tid) => rig.invoke('slow', {}, { tid })));
    await expect.poll(() => rig.status().async.running).toBe(2);
    expect((await rig.result(ids[0] as string, 0)).status).toBe('running');
    expect((await rig.result(ids[3] as string, 0)).status).toBe('queued');
    await restart();
    await expect.poll(() => rig.status().async.running).toBe(2);
    await rig.simulated('slow', { run: 100, result: 'quick' }).catch(() => {});
    await rig.call('register', {
      definition: { name: 'slow', source: `${rig.folder}/source/slow`, memoryMb: 1, cpus: 0.1 },
      replace: true,
    });
    // The two that ran in the replaced containers go on there; the next worker runs them on the new ones.
    await restart();
    for (const id of ids) expect(await rig.result(id)).toMatchObject({ status: 'done', result: { result: 'quick' } });
    // Ended in order: what was cut off is as if it had not begun.
    expect((await Promise.all(ids.map((id) => rig.result(id)))).map(({ attempts }) => attempts)).toEqual([1, 1, 1, 1]);
  });

  it('are tried again by class, with what the function says before what the worker says', async () => {
    await started({ async: { attempts: 4 } });
    await rig.simulated('worker');
    await rig.simulated('own', {}, { async: { attempts: 2, retry: ['user_error'] } });
    const ends = await Promise.all([
      rig.invoke('worker', DIE),
      rig.invoke('worker', RAISE),
      rig.invoke('own', DIE),
      rig.invoke('own', RAISE),
      rig.invoke('own', {}, { timeoutMs: 60_000 }),
    ]).then((ids) => Promise.all(ids.map((id) => rig.result(id))));
    expect(ends.map(({ status, attempts }) => [status, attempts])).toEqual([
      ['dead', 4],
      ['failed', 1],
      ['failed', 1],
      ['dead', 2],
      ['done', 1],
    ]);
  });

  it('succeed in a later attempt, and say in which', async () => {
    await started({ async: { attempts: 50 }, create: { attempts: 1 } });
    await rig.simulated('shaky', { creationFailures: 0.5, result: 'there' }, { maxContainers: 1 });
    for (let n = 0; n < 10; n++) {
      const end = await rig.result(await rig.invoke('shaky', {}, { tid: `shaky-${n}` }));
      expect(end).toMatchObject({ status: 'done', error: null, result: { result: 'there' } });
      expect(rig.runs.filter((tid) => tid === `shaky-${n}`)).toHaveLength(end.attempts);
      await rig.call('clean', {});
    }
    expect(rig.status().async.retries).toBeGreaterThan(0);
  });

  it('pass over an error as long as there is another attempt, and are replaced meanwhile', async () => {
    await started();
    await rig.simulated('mended', {}, { async: { attempts: 100, backOffMs: 30, maxBackOffMs: 30 } });
    const id = await rig.invoke('mended', DIE);
    await expect.poll(async () => (await rig.result(id, 0)).status, { timeout: 20_000 }).toBe('retrying');
    expect(await rig.result(id, 0)).toMatchObject({ finishedAt: null, error: { errorClass: 'crashed' } });
    const definition = {
      name: 'mended',
      source: `${rig.folder}/source/mended`,
      memoryMb: 1,
      cpus: 0.1,
      async: { attempts: 100 },
      labels: { mended: 'yes' },
    };
    const { writeFileSync } = await import('node:fs');
    writeFileSync(`${definition.source}/simulated.json`, JSON.stringify({ result: 'mended' }));
    await rig.call('register', { definition, replace: true });
    expect(await rig.result(id)).toMatchObject({ status: 'done', result: { result: 'mended' } });
  });

  it('are cancelled before they begin, not after', async () => {
    await started();
    await rig.simulated('one', { run: 300_000 }, { async: { concurrency: 1 } });
    const [first, second] = [await rig.invoke('one'), await rig.invoke('one', {}, { tid: 'never' })];
    await expect.poll(async () => (await rig.result(first, 0)).status).toBe('running');
    await rig.cancel(second);
    expect(await rig.result(second, 0)).toMatchObject({
      status: 'failed',
      attempts: 0,
      error: { errorClass: 'cancelled' },
    });
    expect((await rejection(rig.cancel(first))).errorClass).toBe('conflict');
    expect((await rig.result(first)).status).toBe('done');
    for (const id of [first, second]) expect((await rejection(rig.cancel(id))).errorClass).toBe('conflict');
    expect((await rejection(rig.cancel('nonsense'))).errorClass).toBe('not_found');
    await restart();
    expect((await rig.result(second, 0)).status).toBe('failed');
    expect(rig.runs).not.toContain('never');
  });

  it('are the same for the same idempotency key and arguments, of one function, until it expires', async () => {
    await started({ async: { idempotency: { keepMs: 100_000 } } });
    await rig.simulated('a', { result: '$args' });
    await rig.simulated('b', { result: '$args' });
    const key = { idempotencyKey: 'order 66' };
    const ids = await Promise.all([1, 2, 3].map(() => rig.invoke('a', { n: 1 }, { ...key, tid: 'a' })));
    expect(new Set(ids).size).toBe(1);
    expect((await rejection(rig.invoke('a', { n: 2 }, key))).errorClass).toBe('conflict');
    expect(await rig.invoke('b', { n: 2 }, key)).not.toBe(ids[0]);
    const end = await rig.result(ids[0] as string);
    await restart();
    expect(await rig.invoke('a', { n: 1 }, key)).toBe(ids[0]);
    expect(await rig.result(ids[0] as string, 0)).toEqual(end);
    expect((await rejection(rig.invoke('a', { n: 2 }, key))).errorClass).toBe('conflict');
    expect(rig.runs.filter((tid) => tid === 'a')).toHaveLength(1);
    expect((await rejection(rig.invoke('a', {}, { idempotencyKey: ' spaced ' }))).errorClass).toBe('invalid');
  });

  it('forget an idempotency key after its time, but not before the invocation has ended', async () => {
    await started({ async: { idempotency: { keepMs: 0 }, results: { keepMs: 100_000 } } });
    await rig.simulated('a', { run: 300_000 });
    const key = { idempotencyKey: 'k' };
    const first = await rig.invoke('a', {}, key);
    expect(await rig.invoke('a', {}, key)).toBe(first);
    await rig.result(first);
    expect(await rig.invoke('a', {}, key)).not.toBe(first);
  });

  it('run one after the other, in order, where the function says so', async () => {
    await started();
    await rig.simulated('ordered', { run: { meanUs: 2000, sigma: 1 } }, { async: { ordered: true, attempts: 2 } });
    const ids: string[] = [];
    for (let n = 0; n < 20; n++) ids.push(await rig.invoke('ordered', n % 5 === 2 ? DIE : {}, { tid: `${n}` }));
    const ends = await Promise.all(ids.map((id) => rig.result(id)));
    expect(ends.map(({ status }) => status)).toEqual(ids.map((_, n) => (n % 5 === 2 ? 'dead' : 'done')));
    const expected = ids.flatMap((_, n) => (n % 5 === 2 ? [`${n}`, `${n}`] : [`${n}`]));
    expect(rig.runs).toEqual(expected);
    const times = ends.map(({ finishedAt }) => finishedAt as number);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  it('keep their order over a restart', async () => {
    await started();
    await rig.simulated('ordered', { run: 2000 }, { async: { ordered: true } });
    const ids: string[] = [];
    for (let n = 0; n < 12; n++) ids.push(await rig.invoke('ordered', {}, { tid: `${n}` }));
    await rig.result(ids[2] as string);
    await restart();
    await Promise.all(ids.map((id) => rig.result(id)));
    const firsts = rig.runs.filter((tid, at) => rig.runs.indexOf(tid) === at);
    expect(firsts).toEqual(ids.map((_, n) => `${n}`));
    const numbers = rig.runs.map(Number);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  });

  it('are at most so many at once', async () => {
    await started();
    await rig.simulated('few', { run: 5000 }, { async: { concurrency: 3 } });
    const ids = await Promise.all(Array.from({ length: 30 }, () => rig.invoke('few')));
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, rig.status().async.running);
    }, 1);
    await Promise.all(ids.map((id) => rig.result(id)));
    clearInterval(watch);
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(3);
  });

  it('are refused when there are too many, or for a function that is not there', async () => {
    await started({ async: { maxUnfinished: 2 } });
    await rig.simulated('long', { run: 30_000_000 });
    await Promise.all([rig.invoke('long'), rig.invoke('long')]);
    expect((await rejection(rig.invoke('long'))).errorClass).toBe('overloaded');
    expect((await rejection(rig.invoke('nobody'))).errorClass).toBe('not_found');
  });

  it('wait where the queue of the worker is full, and lose no attempts by those before them', async () => {
    await started({ queue: { limit: 4 }, cpu: { slots: 1 }, async: { attempts: 100, backOffMs: 5, maxBackOffMs: 20 } });
    await rig.simulated('busy', { run: 500 }, { cpus: 1, maxContainers: 1 });
    const ids = await Promise.all(Array.from({ length: 24 }, () => rig.invoke('busy')));
    const ends = await Promise.all(ids.map((id) => rig.result(id)));
    expect(new Set(ends.map(({ status }) => status))).toEqual(new Set(['done']));
  });

  it('are dead letters after all attempts: listed, shown, run again, thrown away, over restarts', async () => {
    await started({ async: { attempts: 2 } });
    await rig.simulated('a');
    await rig.simulated('b', {}, { version: '2' });
    const [first, second, third] = [
      await rig.invoke('a', { do: 'die', n: 1 }),
      await rig.invoke('a', { do: 'die', n: 2 }),
      await rig.invoke('b', DIE, { version: '2' }),
    ];
    for (const id of [first, second, third]) expect((await rig.result(id)).status).toBe('dead');
    await restart();
    const letters = await rig.deadLetters.list();
    expect(letters.map(({ id }) => id).sort()).toEqual([first, second, third].sort());
    expect(letters[0]).toMatchObject({ attempts: 2, error: { errorClass: 'crashed' } });
    expect((await rig.deadLetters.list({ name: 'b', version: '2' })).map(({ id }) => id)).toEqual([third]);
    expect(await rig.deadLetters.list({ limit: 1 })).toHaveLength(1);
    expect(await rig.deadLetters.show(second)).toMatchObject({ id: second, arguments: { do: 'die', n: 2 } });
    const again = await rig.deadLetters.replay({ id: first });
    expect(again).toHaveLength(1);
    expect(again[0]).not.toBe(first);
    expect((await rejection(rig.deadLetters.replay({ id: first }))).errorClass).toBe('not_found');
    expect((await rig.result(again[0] as string)).status).toBe('dead');
    expect((await rig.result(first, 0)).status).toBe('dead');
    const both = await rig.deadLetters.replay({ name: 'a' });
    expect(both).toHaveLength(2);
    for (const id of both) expect((await rig.result(id)).status).toBe('dead');
    expect(await rig.deadLetters.purge({ id: third })).toBe(1);
    await restart();
    expect((await rig.deadLetters.list()).map(({ id }) => id).sort()).toEqual([...both].sort());
    expect(await rig.deadLetters.purge({ all: true })).toBe(2);
    expect(await rig.deadLetters.list()).toEqual([]);
    expect(rig.status().async.deadLetters).toBe(0);
    for (const wrong of [{}, { id: 'x', all: true }, { version: '1', all: true }]) {
      expect((await rejection(rig.deadLetters.purge(wrong))).errorClass).toBe('invalid');
    }
  });

  it('keep a bounded number of dead letters', async () => {
    await started({ async: { attempts: 1, deadLetters: { max: 2 } } });
    await rig.simulated('a');
    const ids: string[] = [];
    for (let n = 0; n < 4; n++) {
      ids.push(await rig.invoke('a', DIE));
      await rig.result(ids[n] as string);
    }
    expect((await rig.deadLetters.list()).map(({ id }) => id)).toEqual(ids.slice(2));
  });

  it('keep results as long and as large as configured', async () => {
    await started({ async: { results: { keepMs: 100_000, maxBytes: 60_000 } } });
    await rig.simulated('large', { result: 'x'.repeat(20_000) });
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) {
      ids.push(await rig.invoke('large'));
      await rig.result(ids[n] as string);
    }
    expect((await rig.result(ids[4] as string, 0)).status).toBe('done');
    expect((await rejection(rig.result(ids[0] as string, 0))).errorClass).toBe('not_found');
    expect(rig.status().async.resultBytes).toBeLessThanOrEqual(60_000);
    await restart();
    expect((await rig.result(ids[4] as string, 0)).result?.result).toHaveLength(20_000);
    await rig.end();
    await stored.close();
  });
});
