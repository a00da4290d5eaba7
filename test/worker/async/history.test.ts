import { afterEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/core/random.js';
import { check, History } from './support/history.js';
import { LossyStore } from './support/lossy-store.js';
import { Rig } from './support/rig.js';

/** Clients, containers that crash, a store that fails, and a worker that loses power or stops, all at random; then every promise is checked against what was recorded. */

const CLIENTS = 16;
const SEEDS = [1, 2, 3, 4];

describe('a history of clients and faults', () => {
  let rig: Rig | null = null;
  afterEach(async () => await rig?.[Symbol.asyncDispose]());

  it.each(SEEDS)('keeps every promise (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    let store = new LossyStore();
    const life = await Rig.start({ async: { attempts: 3, interruptions: 1000 } }, store);
    rig = life;
    await life.simulated('plain', { run: { meanUs: 500, sigma: 1 }, result: '$args' });
    await life.simulated('ordered', { run: { meanUs: 500, sigma: 1 }, result: '$args' }, { async: { ordered: true } });
    const history = new History();
    let over = false;
    const clients = Array.from({ length: CLIENTS }, (_, client) =>
      history.client(life, client, seededRandom(seed, client + 1), () => over),
    );
    for (let fault = 0; fault < 12; fault++) {
      const before = history.accepted.size;
      await expect.poll(() => history.accepted.size, { timeout: 30_000, interval: 5 }).toBeGreaterThan(before + 20);
      const kind = random();
      if (kind < 0.3) {
        store.trouble = 'the disk is full';
        await expect.poll(() => history.refused, { timeout: 30_000, interval: 5 }).toBeGreaterThan(0);
        store.trouble = null;
      } else {
        const dead = store;
        // Power first, where it is lost: what the worker does on its way out reaches no disk.
        const left = kind < 0.8 ? dead.crash(Math.floor(random() * (dead.pending + 1))) : null;
        await life.end();
        store = left ?? dead.crash(dead.pending);
        await life.begin(store);
      }
      history.refused = 0;
    }
    over = true;
    await Promise.all(clients);
    // Nothing fails any more: all that was accepted comes to its end.
    await expect.poll(() => life.status().async, { timeout: 60_000 }).toMatchObject({ waiting: 0, running: 0 });
    await history.readAll(life);
    await life.end();
    await life.begin(store.crash());
    await history.readAll(life);
    check(history, life.runs);
    expect(history.accepted.size).toBeGreaterThan(12 * 20);
  });
});

describe('the checker', () => {
  const accepted = { id: 'a', tid: 't', client: 0, name: 'plain', key: null, at: 1 };
  const end = (status: 'done' | 'dead', more: object = {}) => ({
    id: 'a',
    status,
    attempts: 1,
    result: status,
    ...more,
  });

  function historyOf(reads: object[]): History {
    const history = new History();
    history.accepted.set('a', accepted);
    for (const read of reads) history.read({ ...read } as never, reads.indexOf(read) + 2);
    return history;
  }

  it('passes what is right', () => {
    expect(() => check(historyOf([end('done'), end('done')]), ['t'])).not.toThrow();
  });

  it('finds an invocation without an end, with two ends, that was run after its end was told, or never', () => {
    expect(() => check(historyOf([]), ['t'])).toThrow('has no end');
    expect(() => check(historyOf([end('done'), end('dead')]), ['t'])).toThrow('two ends');
    expect(() => check(historyOf([end('done'), end('done', { result: 'other' })]), ['t'])).toThrow('two ends');
    expect(() => check(historyOf([end('done')]), [])).toThrow('never run');
    const late = historyOf([end('done')]);
    late.toldAfterRuns.set('a', 1);
    expect(() => check(late, ['t', 't'])).toThrow('run again');
  });

  it('finds one idempotency key with two invocations', () => {
    const history = historyOf([end('done')]);
    history.accepted.set('a', { ...accepted, key: 'k' });
    history.accepted.set('b', { ...accepted, id: 'b', key: 'k' });
    history.read({ ...end('done'), id: 'b' } as never, 1);
    expect(() => check(history, ['t'])).toThrow('same key');
  });
});
