import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rejection } from '../support/worker-fixture.js';
import { LossyStore } from './support/lossy-store.js';
import { Rig } from './support/rig.js';

/** A store that refuses to write, and a machine that loses power at a chosen moment. */

const POLL = { timeout: 20_000 };

describe('asynchronous invocations, when the store fails', () => {
  let store: LossyStore;
  let rig: Rig;

  beforeEach(async () => {
    store = new LossyStore();
    rig = await Rig.start({ async: { interruptions: 3 } }, store);
    await rig.simulated('f', { result: 'fine' });
    await rig.simulated('long', { run: 300_000 });
  });
  afterEach(async () => await rig[Symbol.asyncDispose]());

  it('are refused with its error, and never run, while it cannot write', async () => {
    store.trouble = 'the disk is full';
    const error = await rejection(rig.invoke('f', {}, { tid: 'refused', idempotencyKey: 'k' }));
    expect([error.errorClass, error.message]).toEqual(['unavailable', 'the disk is full']);
    expect((await rejection(rig.schedules.add({ id: 's', name: 'f', cron: '@daily' }))).message).toBe(
      'the disk is full',
    );
    store.trouble = null;
    // The key was not used up by what was refused.
    const id = await rig.invoke('f', { n: 1 }, { tid: 'accepted', idempotencyKey: 'k' });
    expect((await rig.result(id)).status).toBe('done');
    expect(rig.runs).toEqual(['accepted']);
    expect(await rig.schedules.list()).toEqual([]);
  });

  it('share a commit, and are all refused when it fails: keys, followers and all', async () => {
    store.trouble = 'the disk is full';
    const ask = (i: number) => rig.invoke('f', { i }, { tid: `t${i}`, idempotencyKey: `k${i}` });
    // Each twice: the second of a key waits for what becomes of the first.
    const asked = Array.from({ length: 40 }, (_, i) => ask(i % 20));
    const errors = await Promise.all(asked.map((one) => rejection(one)));
    expect(errors.map(({ message }) => message)).toEqual(errors.map(() => 'the disk is full'));
    expect(rig.status().async).toMatchObject({ accepted: 0, waiting: 0, running: 0 });
    store.trouble = null;
    await store.durable();
    // Nothing of them is left in the store either.
    expect([store.table('invocations').count(), store.table('idempotency').count()]).toEqual([0, 0]);
    await rig.simulated('held', { run: 300_000_000 }, { async: { concurrency: 1 } });
    const { commits } = store;
    await Promise.all(Array.from({ length: 40 }, () => rig.invoke('held')));
    expect(store.commits).toBe(commits + 1);
    const ids = await Promise.all(Array.from({ length: 40 }, (_, i) => ask(i % 20)));
    expect(new Set(ids).size).toBe(20);
    for (const id of ids) expect((await rig.result(id)).status).toBe('done');
    expect(rig.runs.filter((tid) => tid.startsWith('t')).sort()).toEqual(
      Array.from({ length: 20 }, (_, i) => `t${i}`).sort(),
    );
    expect(rig.status().async.accepted).toBe(60);
  });

  it('are not said to have ended before that is on the disk, and are when it writes again', async () => {
    const id = await rig.invoke('f', {}, { tid: 'once' });
    store.trouble = 'read-only';
    const second = rejection(rig.invoke('f'));
    await second;
    const held = await rig.result(id, 50);
    // It may have been quicker than the trouble; if not, it is not told.
    if (held.status !== 'done') expect(held.status).toBe('running');
    store.trouble = null;
    expect((await rig.result(id)).status).toBe('done');
    expect(rig.runs).toEqual(['once']);
  });

  it('synchronous ones go on, without a write', async () => {
    store.trouble = 'the disk is full';
    const { commits } = store;
    const pending = store.pending;
    expect(await rig.run('f')).toMatchObject({ result: 'fine' });
    expect([store.commits, store.pending]).toEqual([commits, pending]);
  });

  it('end in a dead letter when the worker dies of them again and again', async () => {
    const id = await rig.invoke('long', {}, { tid: 'poison' });
    for (let life = 0; life < 3; life++) {
      await expect.poll(() => rig.runs.length, POLL).toBe(life + 1);
      // All that was put is there: the start of the run, too.
      store = store.crash(store.pending);
      await rig.end();
      await rig.begin(store);
    }
    expect(await rig.result(id)).toMatchObject({ status: 'dead', attempts: 3, error: { errorClass: 'unavailable' } });
    expect(rig.runs).toHaveLength(3);
    expect((await rig.deadLetters.list()).map((letter) => letter.id)).toEqual([id]);
  });

  it('are dead letters until their replay is on the disk, and never both', async () => {
    await rig.simulated('dies', {}, { async: { attempts: 1 } });
    const id = await rig.invoke('dies', { do: 'die' });
    expect((await rig.result(id)).status).toBe('dead');
    store.trouble = 'the disk is full';
    expect((await rejection(rig.deadLetters.replay({ id }))).message).toBe('the disk is full');
    expect((await rig.deadLetters.list()).map((letter) => letter.id)).toEqual([id]);
    store.trouble = null;
    const [again] = await rig.deadLetters.replay({ id });
    expect((await rig.result(again as string)).status).toBe('dead');
    store = store.crash();
    await rig.end();
    await rig.begin(store);
    expect((await rig.deadLetters.list()).map((letter) => letter.id)).toEqual([again]);
  });

  it('of a schedule are fired later, once', async () => {
    const at = Date.now() + 500;
    await rig.schedules.add({ id: 'soon', name: 'f', at });
    store.trouble = 'the disk is full';
    await expect.poll(() => Date.now(), POLL).toBeGreaterThan(at + 200);
    expect(rig.runs).toEqual([]);
    store.trouble = null;
    await expect.poll(() => rig.status().async.done, POLL).toBe(1);
    expect(rig.runs).toHaveLength(1);
    await expect.poll(() => rig.schedules.list(), POLL).toEqual([]);
  });
});
