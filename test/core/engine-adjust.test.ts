import { describe, expect, it } from 'vitest';
import type { AdjustableOptions } from '../../src/core/engine.js';
import { classThrown, Harness } from './support/harness.js';

/** Limits that change while the engine runs. */

const LIMITS: AdjustableOptions = {
  memoryMb: 1000,
  bufferMb: 0,
  queueLimit: 100,
  dropAbandoned: true,
  bypassUs: 0,
  capWatts: 0,
};

describe('an engine whose limits change', () => {
  it('evicts what idles beyond a smaller budget, and lets what runs go on', () => {
    const h = new Harness({ memoryMb: 1000 });
    const idle = h.warmUp(h.register({ name: 'idle' }));
    const busy = h.register({ name: 'busy' });
    const run = h.invoke(busy);
    h.ready();
    h.engine.adjust({ ...LIMITS, memoryMb: 100 });
    expect([...h.port.destroying]).toEqual([[idle, 'evicted']]);
    h.gone(idle);
    expect(h.engine.status().memory).toMatchObject({ totalMb: 100, budgetMb: 100 });
    h.complete(run);
    expect(h.sink.classOf(run)).toBe('ok');
    expect(h.problems()).toEqual([]);
  });

  it('keeps its books while more is reserved than there is', () => {
    const h = new Harness({ memoryMb: 1000, cpuSlots: 4 });
    const fn = h.register();
    const runs = [h.invoke(fn), h.invoke(fn)];
    h.ready();
    h.ready();
    h.engine.adjust({ ...LIMITS, memoryMb: 100 });
    expect(h.problems()).toEqual([]);
    const third = h.invoke(fn);
    expect([h.port.creating.size, third.container]).toEqual([0, null]);
    for (const run of runs) h.complete(run);
    h.complete(third);
    for (const container of [...h.port.destroying.keys()]) h.gone(container);
    expect(h.engine.status().memory.totalMb).toBeLessThanOrEqual(100);
    expect(h.problems()).toEqual([]);
  });

  it('starts what waited for memory when there is more', () => {
    const h = new Harness({ memoryMb: 100, cpuSlots: 4 });
    const first = h.invoke(h.register({ name: 'a' }));
    h.ready();
    const second = h.invoke(h.register({ name: 'b' }));
    expect(h.port.creating.size).toBe(0);
    h.engine.adjust({ ...LIMITS, memoryMb: 200 });
    h.ready();
    for (const run of [first, second]) h.complete(run);
    expect([first, second].map((run) => h.sink.classOf(run))).toEqual(['ok', 'ok']);
    expect(h.problems()).toEqual([]);
  });

  it('frees a buffer that is asked for', () => {
    const h = new Harness({ memoryMb: 200 });
    const container = h.warmUp(h.register());
    h.engine.adjust({ ...LIMITS, memoryMb: 200, bufferMb: 150 });
    expect(h.port.destroying.get(container)).toBe('evicted');
  });

  it('refuses by the new limit of the queue, and keeps what waits', () => {
    const h = new Harness({ cpuSlots: 1, queueLimit: 5 });
    const fn = h.register();
    const runs = [h.invoke(fn), h.invoke(fn), h.invoke(fn)];
    h.engine.adjust({ ...LIMITS, queueLimit: 1 });
    const refused = h.invoke(fn);
    expect(h.sink.classOf(refused)).toBe('overloaded');
    expect(h.engine.status().queue).toEqual({ length: 2, limit: 1 });
    h.ready();
    for (const run of runs) h.complete(run);
    expect(runs.map((run) => h.sink.classOf(run))).toEqual(['ok', 'ok', 'ok']);
  });

  it('lets short functions past the queue from then on', () => {
    const h = new Harness({ cpuSlots: 1 });
    const fn = h.register({ name: 'short' });
    const container = h.warmUp(fn);
    const long = h.invoke(h.register({ name: 'long' }));
    h.ready();
    const before = h.invoke(fn);
    expect(before.container).toBeNull();
    h.complete(long);
    h.complete(before);
    h.engine.adjust({ ...LIMITS, bypassUs: 1_000_000 });
    const again = h.invoke(h.register({ name: 'long2' }));
    h.ready();
    const after = h.invoke(fn);
    expect(after.container).toBe(container);
    for (const run of [again, after]) h.complete(run);
    expect(h.problems()).toEqual([]);
  });

  it('refuses a budget in which a registered function could never run, and changes nothing', () => {
    const h = new Harness({ memoryMb: 1000 });
    h.register({ memoryMb: 500 });
    expect(classThrown(() => h.engine.adjust({ ...LIMITS, memoryMb: 499, queueLimit: 1 }))).toBe('invalid');
    expect(h.engine.status()).toMatchObject({ memory: { budgetMb: 1000 }, queue: { limit: expect.any(Number) } });
    expect(h.engine.status().queue.limit).not.toBe(1);
    h.engine.adjust({ ...LIMITS, memoryMb: 500 });
    expect(h.engine.status().memory.budgetMb).toBe(500);
  });
});
