import { describe, expect, it } from 'vitest';
import { Harness } from './support/harness.js';

describe('a container that an earlier process has left', () => {
  it('is idle, has its memory reserved, and serves warm', () => {
    const h = new Harness({ memoryMb: 1000 });
    const fn = h.register({ memoryMb: 300 });
    const container = h.adopt(fn);
    expect(container).toMatchObject({ phase: 'idle', state: 'warm', memoryMb: 300 });
    expect(h.engine.status()).toMatchObject({
      memory: { cachedContainers: 1, cachedMb: 300 },
      counters: { containersAdopted: 1, containersCreated: 0 },
    });
    const invocation = h.invoke(fn);
    expect(invocation).toMatchObject({ phase: 'running', containerState: 'warm', container });
    h.complete(invocation);
    expect(h.engine.counters.warm).toBe(1);
    expect(h.problems()).toEqual([]);
  });

  it('takes what waits for a container that is being created', () => {
    const h = new Harness();
    const fn = h.register();
    const waiting = h.invoke(fn);
    expect(waiting.phase).toBe('starting');
    const container = h.adopt(fn);
    expect(waiting).toMatchObject({ phase: 'running', container });
    h.complete(waiting);
    h.ready();
    expect(h.problems()).toEqual([]);
  });

  it('is not had where there is no room for it, and nothing is evicted for its sake', () => {
    const h = new Harness({ memoryMb: 500 });
    const fn = h.register({ memoryMb: 300 });
    expect(h.adopt(fn)).not.toBeNull();
    expect(h.adopt(fn)).toBeNull();
    expect(h.engine.status()).toMatchObject({ memory: { cachedContainers: 1 }, counters: { containersEvicted: 0 } });
    expect(h.problems()).toEqual([]);
  });

  it('is not had of a function that may not have it any more', () => {
    const h = new Harness();
    const fn = h.register({ maxContainers: 1 });
    expect(h.adopt(fn, { backend: 'other' })).toBeNull();
    expect(h.adopt(fn, { device: 'gpu', gpu: 0 })).toBeNull();
    expect(h.adopt(fn, { gpu: 0 })).toBeNull();
    expect(h.adopt(fn)).not.toBeNull();
    expect(h.adopt(fn)).toBeNull();
    h.engine.unregister(fn.key);
    expect(h.adopt(fn)).toBeNull();
    h.gone();
    expect(h.problems()).toEqual([]);
  });

  it('is not had by an engine that drains', () => {
    const h = new Harness();
    const fn = h.register();
    h.engine.drain(() => {});
    expect(h.adopt(fn)).toBeNull();
  });
});
