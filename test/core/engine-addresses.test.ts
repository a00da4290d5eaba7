import { describe, expect, it } from 'vitest';
import { GdsfEviction } from '../../src/core/pool/eviction/gdsf.js';
import { Harness } from './support/harness.js';

/** Network addresses as something of which a worker has only so many: idle holders make way, running ones do not. */

const addressed = { needsAddress: true, memoryMb: 10, cpus: 0.1 };

describe('containers with an address of their own', () => {
  it('hold it from their reservation until they are gone, and others hold none', () => {
    const harness = new Harness({ addresses: 2 });
    const plain = harness.register({ name: 'plain' });
    harness.warmUp(plain);
    const one = harness.register({ ...addressed, name: 'one' });
    const two = harness.register({ ...addressed, name: 'two' });
    const first = harness.warmUp(one);
    harness.warmUp(two);
    const three = harness.register({ ...addressed, name: 'three' });
    const waiting = harness.invoke(three);
    // The longest idle of those that hold one goes; the one without has been idle longer, and would not help.
    expect([...harness.port.destroying]).toEqual([[first, 'evicted']]);
    expect([waiting.phase, harness.port.creating.size]).toEqual(['queued', 0]);
    harness.gone(first);
    expect(harness.port.creating.size).toBe(1);
    harness.ready();
    harness.complete(waiting);
    expect(harness.sink.classOf(waiting)).toBe('ok');
    expect(harness.problems()).toEqual([]);
  });

  it('are evicted in the order of the policy', () => {
    const harness = new Harness({ addresses: 2, eviction: () => new GdsfEviction() });
    const often = harness.register({ ...addressed, name: 'often' });
    const once = harness.register({ ...addressed, name: 'once' });
    const kept = harness.warmUp(often);
    for (let i = 0; i < 5; i++) harness.complete(harness.invoke(often));
    const goes = harness.warmUp(once);
    // The longest idle is the one that was used often; the policy keeps it.
    harness.invoke(harness.register({ ...addressed, name: 'new' }));
    expect([...harness.port.destroying.keys()]).toEqual([goes]);
    expect(kept.phase).toBe('idle');
  });

  it('never wait for others that run: the start is refused as overloaded, and what needs none goes on', () => {
    const harness = new Harness({ addresses: 1 });
    const busy = harness.invoke(harness.register({ ...addressed, name: 'busy' }));
    harness.ready();
    const refused = harness.invoke(harness.register({ ...addressed, name: 'late' }));
    const plain = harness.invoke(harness.register({ name: 'plain' }));
    expect(harness.sink.outcomes.get(refused)).toMatchObject({
      errorClass: 'overloaded',
      message: 'no network address is free for another container (1 are held)',
    });
    harness.ready();
    harness.complete(plain);
    harness.complete(busy);
    expect([harness.sink.classOf(plain), harness.sink.classOf(busy)]).toEqual(['ok', 'ok']);
    expect(harness.problems()).toEqual([]);
  });

  it('wait for those of their own function, and for any that comes free meanwhile', () => {
    const harness = new Harness({ addresses: 2 });
    const fn = harness.register({ ...addressed, name: 'f' });
    const other = harness.register({ ...addressed, name: 'other' });
    const first = harness.invoke(fn);
    harness.ready();
    const foreign = harness.invoke(other);
    harness.ready();
    const second = harness.invoke(fn);
    const third = harness.invoke(fn);
    expect([second.phase, third.phase, harness.port.creating.size]).toEqual(['queued', 'queued', 0]);
    // Its own container is free: the oldest that waits takes it.
    harness.complete(first);
    expect([second.phase, third.phase]).toEqual(['running', 'queued']);
    // Another function's idles: it makes way.
    harness.complete(foreign);
    expect(harness.port.destroying.size).toBe(1);
    harness.gone();
    harness.ready();
    expect(third.phase).toBe('running');
    expect(harness.problems()).toEqual([]);
  });

  it('made ahead take the place of idle ones of other functions, and are refused when there is none', () => {
    const harness = new Harness({ addresses: 2 });
    const old = harness.register({ ...addressed, name: 'old' });
    const fn = harness.register({ ...addressed, name: 'f' });
    harness.warmUp(old);
    const told: unknown[] = [];
    const sink = { settled: (ready: number, failure: unknown) => told.push(ready, failure) };
    harness.engine.prewarm(fn, 3, sink);
    expect(harness.port.creating.size).toBe(1);
    harness.gone();
    expect(harness.port.creating.size).toBe(2);
    harness.ready();
    harness.ready();
    expect(told).toEqual([2, expect.objectContaining({ errorClass: 'overloaded' })]);
    expect(harness.problems()).toEqual([]);
  });

  it('may be fewer from one moment to the next, and more again', () => {
    const harness = new Harness({ addresses: 2 });
    const fn = harness.register({ ...addressed, name: 'f' });
    const running = harness.invoke(fn);
    harness.ready();
    harness.engine.addressesAvailable(1);
    const waiting = harness.invoke(fn);
    expect(waiting.phase).toBe('queued');
    harness.engine.addressesAvailable(2);
    expect(waiting.phase).toBe('starting');
    harness.ready();
    harness.complete(waiting);
    harness.complete(running);
    expect(harness.problems()).toEqual([]);
  });

  it('are refused at registration where there can be none', () => {
    const harness = new Harness({ addresses: 0 });
    expect(() => harness.register(addressed)).toThrow('needs a network address and this worker has none');
  });
});
