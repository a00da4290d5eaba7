import { describe, expect, it } from 'vitest';
import { classThrown, first, Harness, OK, spec, USER_ERROR } from './support/harness.js';

describe('registration', () => {
  it('refuses what could never run', () => {
    const { engine } = new Harness({ memoryMb: 500, cpuSlots: 2 });
    const refused = [
      { memoryMb: 501 },
      { cpus: 2.5 },
      { backends: ['docker'] },
      { backends: [] },
      { devices: ['gpu' as const] },
      { name: '../etc' },
      { version: '' },
      { memoryMb: 0 },
      { cpus: Number.NaN },
      { concurrency: 0 },
      { concurrency: 1.5 },
      { maxContainers: 0 },
      { queueLimit: -1 },
      { retries: -1 },
      { timeoutMs: 0 },
    ];
    for (const over of refused)
      expect([over, classThrown(() => engine.register(spec(over)))]).toEqual([over, 'invalid']);
    expect(engine.register(spec({ memoryMb: 500, cpus: 2 })).key).toBe('f@1');
  });

  it('refuses a key that is taken, and frees it with unregister', () => {
    const { engine } = new Harness();
    engine.register(spec());
    expect(classThrown(() => engine.register(spec()))).toBe('conflict');
    expect(engine.unregister('f@1')).toBe(true);
    expect(engine.unregister('f@1')).toBe(false);
    expect(engine.register(spec()).removed).toBe(false);
  });

  it('does not confuse a-b@c with a@b-c', () => {
    const { engine } = new Harness();
    const a = engine.register(spec({ name: 'a-b', version: 'c' }));
    const b = engine.register(spec({ name: 'a', version: 'b-c' }));
    expect(a.key).not.toBe(b.key);
  });

  it('uses the first backend it has', () => {
    const harness = new Harness({ backends: ['x', 'y'] });
    harness.invoke(harness.engine.register(spec({ backends: ['docker', 'y', 'x'] })));
    expect(first(harness.port.creating).backend).toBe('y');
  });

  it('answers what waits when a function goes, and lets what runs finish', () => {
    const h = new Harness({ cpuSlots: 2 });
    const fn = h.register({ maxContainers: 1 });
    const runs = h.invoke(fn);
    const container = h.ready();
    const waits = h.invoke(fn);
    h.engine.unregister(fn.key);
    expect(h.sink.classOf(waits)).toBe('unavailable');
    expect(h.sink.classOf(runs)).toBe('open');
    h.complete(runs);
    expect(h.sink.classOf(runs)).toBe('ok');
    expect(h.port.destroying.get(container)).toBe('unregistered');
    h.gone();
    expect(h.engine.status().memory.totalMb).toBe(0);
    expect(h.sink.classOf(h.invoke(fn))).toBe('not_found');
    expect(h.problems()).toEqual([]);
  });
});

describe('container states and reuse', () => {
  it('is cold, then warm, with the times of each step', () => {
    const h = new Harness();
    const fn = h.register();
    const cold = h.invoke(fn);
    h.clock.time += 5000;
    const container = h.ready();
    expect(cold.containerState).toBe('cold');
    expect(cold.runningAt - cold.dispatchedAt).toBe(5000);
    h.clock.time += 300;
    h.complete(cold, { ...OK, runUs: 250 });
    const warm = h.invoke(fn);
    expect(warm.containerState).toBe('warm');
    expect(warm.container).toBe(container);
    expect(warm.runningAt).toBe(warm.enqueuedAt);
    h.complete(warm, { ...OK, runUs: 90 });
    const { cpu } = fn.stats;
    expect([cpu.cold.latest, cpu.warm.latest, cpu.exec.count, cpu.e2e.count]).toEqual([5300, 90, 2, 2]);
    expect([cpu.cold.count, cpu.prewarm.count, cpu.warm.count]).toEqual([1, 0, 1]);
  });

  it('is prewarm when it was made ahead and never ran', () => {
    const h = new Harness();
    const fn = h.register();
    const told: unknown[] = [];
    h.engine.prewarm(fn, 2, { settled: (ready, failure) => told.push([ready, failure]) });
    h.ready();
    expect(told).toEqual([]);
    h.ready();
    expect(told).toEqual([[2, null]]);
    expect(h.engine.status().memory).toMatchObject({ cachedMb: 200, cachedContainers: 2, runningMb: 0 });
    const invocation = h.invoke(fn);
    expect(invocation.containerState).toBe('prewarm');
    h.complete(invocation);
    expect(h.invoke(fn).containerState).toBe('warm');
  });

  it('takes the container used last', () => {
    const h = new Harness();
    const fn = h.register();
    const [a, b] = [h.invoke(fn), h.invoke(fn)];
    h.ready();
    h.ready();
    h.complete(a);
    h.complete(b);
    expect(h.invoke(fn).container).toBe(b.container);
  });

  it('lets a warm container that is free first take the one that waits for a creation', () => {
    const h = new Harness();
    const fn = h.register();
    const busy = h.invoke(fn);
    const warm = h.ready();
    const waits = h.invoke(fn);
    expect(waits.phase).toBe('starting');
    h.complete(busy);
    expect([waits.phase, waits.container, waits.containerState]).toEqual(['running', warm, 'warm']);
    expect(waits.dispatchedAt).toBe(waits.runningAt);
    const next = h.invoke(fn);
    expect(h.port.creating.size).toBe(1);
    expect(next.phase).toBe('starting');
    h.ready();
    expect(next.containerState).toBe('cold');
    expect(h.problems()).toEqual([]);
  });

  it('creates no more containers than invocations need', () => {
    const h = new Harness({ cpuSlots: 10 });
    const fn = h.register({ concurrency: 3 });
    for (let i = 0; i < 7; i++) h.invoke(fn);
    expect(h.port.creating.size).toBe(3);
    h.ready();
    expect(h.port.runs.size).toBe(3);
    h.ready();
    h.ready();
    expect(h.port.runs.size).toBe(7);
    expect(h.problems()).toEqual([]);
  });

  it('keeps a container after a user error and replaces it after an out of memory', () => {
    const h = new Harness();
    const fn = h.register();
    const container = h.warmUp(fn);
    h.complete(h.invoke(fn), USER_ERROR);
    expect(h.port.destroying.size).toBe(0);
    h.complete(h.invoke(fn), { ...OK, errorClass: 'out_of_memory', payload: null });
    expect(h.port.destroying.get(container)).toBe('crashed');
    expect(fn.stats.cpu.exec.count).toBe(2);
  });
});

describe('CPU slots', () => {
  it('lets nothing overtake a head that needs more slots', () => {
    const h = new Harness({ cpuSlots: 4 });
    const small = h.register({ name: 'small' });
    const large = h.register({ name: 'large', cpus: 4 });
    const a = h.invoke(small);
    const b = h.invoke(large);
    const c = h.invoke(small);
    expect([a.phase, b.phase, c.phase]).toEqual(['starting', 'queued', 'queued']);
    h.ready();
    h.complete(a);
    expect([b.phase, c.phase]).toEqual(['starting', 'queued']);
  });

  it('adds up fractions exactly', () => {
    const h = new Harness({ cpuSlots: 1 });
    const fn = h.register({ cpus: 0.1, memoryMb: 10 });
    for (let round = 0; round < 50; round++) {
      const ten = Array.from({ length: 10 }, () => h.invoke(fn));
      for (const container of [...h.port.creating]) h.ready(container);
      expect(ten.every(({ phase }) => phase === 'running')).toBe(true);
      expect(h.engine.status().cpu.used).toBe(1);
      for (const invocation of ten) h.complete(invocation);
      expect(h.engine.status().cpu.used).toBe(0);
    }
  });
});

describe('a function that has all the containers it may have', () => {
  it('does not block the others, and keeps its own order', () => {
    const h = new Harness({ cpuSlots: 10 });
    const narrow = h.register({ name: 'narrow', maxContainers: 1 });
    const other = h.register({ name: 'other' });
    const queue = [h.invoke(narrow), h.invoke(narrow), h.invoke(narrow), h.invoke(narrow)];
    const free = h.invoke(other);
    expect(free.phase).toBe('starting');
    expect(h.engine.status().queue.length).toBe(3);
    h.ready();
    for (const invocation of queue) {
      expect(invocation.phase).toBe('running');
      h.complete(invocation);
      expect(h.problems()).toEqual([]);
    }
  });
});

describe('memory', () => {
  it('evicts idle containers for the need and no more, and waits until they are gone', () => {
    const h = new Harness({ memoryMb: 400 });
    const [a, b, c] = ['a', 'b', 'c'].map((name) => h.register({ name })) as [never, never, never];
    const oldest = h.warmUp(a);
    h.warmUp(b);
    h.warmUp(c);
    const large = h.invoke(h.register({ name: 'large', memoryMb: 200 }));
    expect([...h.port.destroying]).toEqual([[oldest, 'evicted']]);
    expect(large.phase).toBe('queued');
    expect(h.engine.status().memory.totalMb).toBe(300);
    h.gone();
    expect(large.phase).toBe('starting');
    expect(h.engine.status().memory.totalMb).toBe(400);
  });

  it('evicts nothing while that could not help, and goes on when what runs has ended', () => {
    const h = new Harness({ memoryMb: 400 });
    const a = h.register({ name: 'a', memoryMb: 300 });
    const b = h.register({ name: 'b' });
    h.warmUp(b);
    const busy = h.invoke(a);
    h.ready();
    const large = h.invoke(h.register({ name: 'large', memoryMb: 400 }));
    expect(h.port.destroying.size).toBe(0);
    h.complete(busy);
    expect(h.port.destroying.size).toBe(2);
    h.gone();
    expect(large.phase).toBe('queued');
    h.gone();
    expect(large.phase).toBe('starting');
  });

  it('keeps the buffer free', () => {
    const h = new Harness({ memoryMb: 400, bufferMb: 250 });
    h.warmUp(h.register({ name: 'a' }));
    expect(h.port.destroying.size).toBe(0);
    h.warmUp(h.register({ name: 'b' }));
    expect(h.port.destroying.size).toBe(1);
  });

  it('is never changed by a measurement', () => {
    const h = new Harness();
    const fn = h.register();
    const container = h.warmUp(fn);
    h.engine.measured(container, 7);
    expect(container.measuredMb).toBe(7);
    expect(fn.stats.memory.latest).toBe(7);
    expect(h.engine.status().memory.totalMb).toBe(100);
  });
});

describe('overload', () => {
  it('refuses what the worker’s bound has no room for, and says when to come back', () => {
    const h = new Harness({ cpuSlots: 1, queueLimit: 2 });
    const fn = h.register();
    const [running, ...queued] = [h.invoke(fn), h.invoke(fn), h.invoke(fn)];
    const refused = h.invoke(fn);
    expect(h.sink.classOf(refused)).toBe('overloaded');
    expect(h.sink.outcomes.get(refused)?.details?.retryAfterMs).toBe(1000);
    h.ready();
    h.clock.time += 50_000;
    h.complete(running);
    h.clock.time += 20_000;
    h.invoke(fn);
    const again = h.invoke(fn);
    expect(h.sink.outcomes.get(again)?.details?.retryAfterMs).toBe(40);
    expect(queued.map(({ phase }) => phase)).toEqual(['running', 'queued']);
  });

  it('holds a function to its own bound; 0 = it may start but not wait', () => {
    const h = new Harness({ cpuSlots: 2 });
    const fn = h.register({ queueLimit: 0 });
    const other = h.register({ name: 'other' });
    expect(h.invoke(fn).phase).toBe('starting');
    expect(h.invoke(fn).phase).toBe('starting');
    const refused = h.invoke(fn);
    expect(h.sink.classOf(refused)).toBe('overloaded');
    expect(h.invoke(other).phase).toBe('queued');
    expect(h.sink.classOf(h.invoke(fn))).toBe('overloaded');
    expect(h.problems()).toEqual([]);
  });
});
