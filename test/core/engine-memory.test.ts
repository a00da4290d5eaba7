import { describe, expect, it } from 'vitest';
import type { Container } from '../../src/core/pool/container.js';
import { Harness, OK } from './support/harness.js';

/** What follows from measured memory: under `grow` the replacement of what has outgrown its reservation, and what its overshoot does to the budget; and pressure of the host. */

const memory = (h: Harness): Record<string, number> => ({ ...h.engine.status().memory });

describe('a container that has outgrown its memory', () => {
  it('is replaced before it is given another invocation, when its run says so', () => {
    const h = new Harness({ cpuSlots: 1 });
    const fn = h.register({ memoryPolicy: 'grow' });
    const first = h.invoke(fn);
    const container = h.ready();
    const second = h.invoke(fn);
    h.complete(first, { ...OK, overMb: 130.2 });
    expect(h.sink.classOf(first)).toBe('ok');
    expect(h.port.destroying.get(container)).toBe('outgrown');
    expect(h.port.runs.has(second)).toBe(false);
    h.ready();
    h.complete(second);
    expect(h.engine.status().counters).toMatchObject({ containersOutgrown: 1, containersCrashed: 0, retries: 0 });
    h.gone(container);
    expect(h.problems()).toEqual([]);
  });

  it('goes at once when it is found so while it idles', () => {
    const h = new Harness();
    const container = h.warmUp(h.register({ memoryPolicy: 'grow' }));
    h.engine.measured(container, 100);
    expect(h.port.destroying.size).toBe(0);
    h.engine.measured(container, 100.5);
    expect(h.port.destroying.get(container)).toBe('outgrown');
    h.gone(container);
    expect(memory(h)).toMatchObject({ totalMb: 0, overshootMb: 0 });
  });

  it('finishes everything it runs, and takes nothing new', () => {
    const h = new Harness();
    const fn = h.register({ memoryPolicy: 'grow', concurrency: 3 });
    const first = h.invoke(fn);
    const container = h.ready();
    const second = h.invoke(fn);
    h.engine.measured(container, 150);
    const third = h.invoke(fn);
    expect(third.container).not.toBe(container);
    h.complete(first);
    expect(h.port.destroying.size).toBe(0);
    h.complete(second);
    expect(h.port.destroying.get(container)).toBe('outgrown');
    expect([first, second].map((one) => h.sink.classOf(one))).toEqual(['ok', 'ok']);
  });

  it('keeps its reservation; what it uses above that cannot be reserved, until it is gone', () => {
    const h = new Harness({ memoryMb: 300 });
    const fn = h.register({ memoryPolicy: 'grow' });
    const run = h.invoke(fn);
    const container = h.ready();
    h.engine.measured(container, 250);
    expect(memory(h)).toMatchObject({ totalMb: 100, overshootMb: 150, runningMb: 100 });
    const other = h.register({ name: 'other' });
    const waits = h.invoke(other);
    expect(h.port.creating.size).toBe(0);
    // Less again: what is free may be reserved, and the container still goes.
    h.engine.measured(container, 120);
    expect(memory(h)).toMatchObject({ overshootMb: 20 });
    expect(h.port.creating.size).toBe(1);
    h.ready();
    h.complete(waits);
    h.complete(run);
    expect(h.port.destroying.get(container)).toBe('outgrown');
    h.gone(container);
    expect(memory(h)).toMatchObject({ totalMb: 100, overshootMb: 0 });
    expect(h.problems()).toEqual([]);
  });

  it('makes idle containers give way when more is used than the budget has', () => {
    const h = new Harness({ memoryMb: 300 });
    const idle = h.register({ name: 'idle' });
    const ran = h.invoke(idle);
    const cached = h.ready();
    h.complete(ran);
    const fn = h.register({ memoryPolicy: 'grow' });
    h.invoke(fn);
    const container = h.ready();
    h.engine.measured(container, 180);
    expect(h.port.destroying.size).toBe(0);
    h.engine.measured(container, 220);
    expect(h.port.destroying.get(cached)).toBe('evicted');
    expect(h.problems()).toEqual([]);
  });

  it.each(['kill', 'swap', 'none'] as const)('is nobody under %s: a measurement only informs', (memoryPolicy) => {
    const h = new Harness();
    const fn = h.register({ memoryPolicy });
    const run = h.invoke(fn);
    const container = h.ready();
    h.engine.measured(container, 900);
    h.complete(run, { ...OK, overMb: 900 });
    expect(h.port.destroying.size).toBe(0);
    expect(container.measuredMb).toBe(900);
    expect(memory(h)).toMatchObject({ totalMb: 100, overshootMb: 0 });
  });

  it('may be measured while it is being destroyed and after', () => {
    const h = new Harness();
    const container = h.warmUp(h.register({ memoryPolicy: 'grow' }));
    h.engine.clean();
    h.engine.measured(container, 500);
    h.gone(container);
    h.engine.measured(container, 500);
    expect(memory(h)).toMatchObject({ totalMb: 0, overshootMb: 0 });
    expect(h.problems()).toEqual([]);
  });
});

describe('a host that is short of memory', () => {
  it('has idle containers evicted in the order of the policy, as many as it asks for and no others', () => {
    const h = new Harness();
    const fns = ['a', 'b', 'c', 'd'].map((name) => h.register({ name }));
    const runs = fns.map((fn) => h.invoke(fn));
    const containers = runs.map(() => h.ready());
    const ended = [2, 0, 1];
    for (const index of ended) h.complete(runs[index] as (typeof runs)[number]);
    expect(h.engine.idleContainers).toBe(3);
    expect(h.engine.memoryPressure(2)).toBe(2);
    expect([...h.port.destroying]).toEqual([
      [containers[2], 'evicted'],
      [containers[0], 'evicted'],
    ]);
    expect(h.engine.memoryPressure(5)).toBe(1);
    expect(h.engine.memoryPressure(5)).toBe(0);
    expect(h.port.destroying.has(containers[3] as Container)).toBe(false);
    expect(h.engine.status().counters).toMatchObject({ containersEvicted: 3, containersRelieved: 3 });
  });
});
