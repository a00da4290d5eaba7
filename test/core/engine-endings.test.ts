import { describe, expect, it } from 'vitest';
import type { Container } from '../../src/core/pool/container.js';
import { TtlEviction } from '../../src/core/pool/eviction/ttl.js';
import { BAD_CODE, CRASH, classThrown, Harness, LOST_RACE, OK, spec, USER_ERROR } from './support/harness.js';

describe('time-outs', () => {
  it('answers one whose time passes in the queue, and never runs it', () => {
    const h = new Harness({ cpuSlots: 1 });
    const fn = h.register();
    const running = h.invoke(fn, 5000);
    h.ready();
    const queued = h.invoke(fn, 100);
    expect(h.engine.nextDeadline()).toBe(queued.deadline);
    h.advance(99_999);
    expect(h.sink.classOf(queued)).toBe('open');
    h.advance(1);
    expect(h.sink.classOf(queued)).toBe('timeout');
    h.complete(running);
    expect(h.port.started).toEqual([running]);
  });

  it('answers one whose time passes while its container is created; the container stays for the next', () => {
    const h = new Harness();
    const fn = h.register();
    const late = h.invoke(fn, 10);
    h.advance(10_000);
    expect(h.sink.classOf(late)).toBe('timeout');
    expect(h.engine.status().cpu.used).toBe(0);
    h.ready();
    expect(h.invoke(fn).containerState).toBe('prewarm');
  });

  it('cancels a run, takes the agent’s answer, and replaces the container', () => {
    const h = new Harness();
    const fn = h.register();
    const invocation = h.invoke(fn, 10);
    const container = h.ready();
    h.advance(10_000);
    expect(h.port.cancelled.has(invocation)).toBe(true);
    expect(h.sink.classOf(invocation)).toBe('open');
    const details = { traceback: 'here' };
    h.complete(invocation, { errorClass: 'timeout', message: 'too long', details, payload: null, runUs: 9 });
    expect(h.sink.outcomes.get(invocation)?.details).toBe(details);
    expect(h.port.destroying.get(container)).toBe('timeout');
    expect(h.invoke(fn).phase).toBe('starting');
  });

  it('discards a result that comes in the grace', () => {
    const h = new Harness();
    const invocation = h.invoke(h.register(), 10);
    h.ready();
    h.advance(10_000);
    h.complete(invocation);
    expect(h.sink.classOf(invocation)).toBe('timeout');
    expect(h.discarded).toEqual(['result']);
  });

  it('takes the container away when the grace passes, and discards what comes after', () => {
    const h = new Harness({ cancelGraceUs: 5000 });
    const fn = h.register({ concurrency: 2 });
    const stuck = h.invoke(fn, 10);
    const innocent = h.invoke(fn, 60_000);
    const container = h.ready();
    h.advance(10_000);
    h.advance(4999);
    expect(h.sink.classOf(stuck)).toBe('open');
    h.advance(1);
    expect(h.sink.classOf(stuck)).toBe('timeout');
    expect(h.sink.classOf(innocent)).toBe('crashed');
    expect(h.port.destroying.get(container)).toBe('timeout');
    h.engine.completed(container, stuck, OK);
    expect(h.discarded).toEqual(['result']);
    expect(h.engine.counters.lateResults).toBe(1);
    h.gone();
    expect(h.engine.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
    expect(h.problems()).toEqual([]);
  });

  it('keeps deadlines beyond one turn of the wheel exact', () => {
    const h = new Harness({ cpuSlots: 1 });
    const fn = h.register();
    h.invoke(fn, 86_400_000);
    const queued = h.invoke(fn, 3_600_000);
    for (let steps = 0; steps < 100 && h.sink.classOf(queued) === 'open'; steps++) {
      const next = h.engine.nextDeadline();
      expect(next).toBeGreaterThan(h.clock.time);
      expect(next).toBeLessThanOrEqual(queued.deadline);
      h.clock.time = next;
      h.engine.tick();
    }
    expect(h.clock.time).toBe(queued.deadline);
    expect(h.sink.classOf(queued)).toBe('timeout');
  });
});

describe('callers that leave', () => {
  it('drops what does not run and lets go on what does', () => {
    const h = new Harness({ cpuSlots: 1 });
    const fn = h.register();
    const [running, queued] = [h.invoke(fn), h.invoke(fn)];
    h.engine.abandon(queued);
    expect(h.sink.classOf(queued)).toBe('cancelled');
    h.ready();
    h.engine.abandon(running);
    expect(h.sink.classOf(running)).toBe('open');
    h.complete(running);
    expect(h.sink.classOf(running)).toBe('ok');
  });

  it('keeps them when so configured', () => {
    const h = new Harness({ cpuSlots: 1, dropAbandoned: false });
    const fn = h.register();
    h.invoke(fn);
    const queued = h.invoke(fn);
    h.engine.abandon(queued);
    expect(h.sink.classOf(queued)).toBe('open');
  });
});

describe('failures', () => {
  it('answers the one a container was created for, and nobody else', () => {
    const h = new Harness();
    const fn = h.register();
    const [a, b] = [h.invoke(fn), h.invoke(fn)];
    h.failed(BAD_CODE);
    expect([h.sink.classOf(a), h.sink.classOf(b)]).toEqual(['start_failed', 'open']);
    h.ready();
    expect(b.phase).toBe('running');
    expect(h.engine.status().memory.totalMb).toBe(100);
  });

  it('gives those that counted on a lost creation one of their own', () => {
    const h = new Harness();
    const fn = h.register({ concurrency: 2 });
    const [a, b] = [h.invoke(fn), h.invoke(fn)];
    expect(h.port.creating.size).toBe(1);
    h.failed(BAD_CODE);
    expect([h.sink.classOf(a), b.phase, h.port.creating.size]).toEqual(['start_failed', 'starting', 1]);
    h.failed(BAD_CODE);
    expect(h.sink.classOf(b)).toBe('start_failed');
    expect(h.port.creating.size).toBe(0);
  });

  it('never tries a user’s error again', () => {
    const h = new Harness();
    const invocation = h.invoke(h.register({ retries: 5 }));
    h.ready();
    h.complete(invocation, USER_ERROR);
    expect([h.sink.classOf(invocation), invocation.attempts]).toEqual(['user_error', 1]);
  });

  it('answers everything a dead container ran, and destroys it', () => {
    const h = new Harness();
    const fn = h.register({ concurrency: 2 });
    const both = [h.invoke(fn), h.invoke(fn)];
    const container = h.ready();
    h.exited(container, CRASH);
    expect(both.map((one) => h.sink.classOf(one))).toEqual(['crashed', 'crashed']);
    expect(h.port.destroying.get(container)).toBe('crashed');
    expect(h.engine.status().memory.totalMb).toBe(100);
    h.gone();
    expect(h.engine.status().memory.totalMb).toBe(0);
  });

  it('removes a container that dies while idle', () => {
    const h = new Harness();
    const fn = h.register();
    const container = h.warmUp(fn);
    h.exited(container);
    expect(h.invoke(fn).container).toBeNull();
    expect(h.problems()).toEqual([]);
  });

  it('runs again what a container lost for a passing reason ran', () => {
    const h = new Harness();
    const invocation = h.invoke(h.register({ retries: 1 }));
    h.exited(h.ready(), LOST_RACE);
    expect(invocation.phase).toBe('starting');
    h.ready();
    h.complete(invocation);
    expect([h.sink.classOf(invocation), invocation.attempts]).toEqual(['ok', 2]);
  });
});

describe('keep-alive', () => {
  it('expires idle containers at their time, with one deadline for all', () => {
    const h = new Harness({ eviction: () => new TtlEviction(50) });
    const fn = h.register();
    const container = h.warmUp(fn);
    expect(h.engine.nextDeadline()).toBe(container.idleSince + 50_000);
    h.advance(50_000);
    expect(h.port.destroying.get(container)).toBe('expired');
    h.gone();
    expect(h.engine.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('prewarm', () => {
  it('refuses what would not fit, tells what failed, and evicts only others', () => {
    const h = new Harness({ memoryMb: 300 });
    const fn = h.register();
    const other = h.register({ name: 'other' });
    expect(classThrown(() => h.engine.prewarm(fn, 4, { settled() {} }))).toBe('invalid');
    const evicted = h.warmUp(other) as Container;
    const told: unknown[] = [];
    h.engine.prewarm(fn, 3, { settled: (ready, failure) => told.push([ready, failure?.errorClass]) });
    expect(h.port.destroying.get(evicted)).toBe('evicted');
    h.gone();
    expect(h.port.creating.size).toBe(3);
    h.ready();
    h.failed(BAD_CODE);
    h.ready();
    expect(told).toEqual([[2, 'start_failed']]);
    expect(h.problems()).toEqual([]);
  });
});

describe('clean, drain, stop', () => {
  it('clean destroys what idles and nothing else', () => {
    const h = new Harness();
    const fn = h.register();
    h.warmUp(fn);
    const running = h.invoke(fn);
    h.warmUp(h.register({ name: 'other' }));
    expect(h.engine.clean()).toBe(1);
    expect(running.phase).toBe('running');
  });

  it('drain finishes what was accepted and refuses the rest', () => {
    const h = new Harness({ cpuSlots: 1 });
    const fn = h.register();
    const [running, queued] = [h.invoke(fn), h.invoke(fn)];
    let done = 0;
    h.engine.drain(() => done++);
    expect(h.sink.classOf(h.invoke(fn))).toBe('unavailable');
    expect(classThrown(() => h.engine.register(spec({ name: 'g' })))).toBe('unavailable');
    h.ready();
    h.complete(running);
    expect(done).toBe(0);
    h.complete(queued);
    expect(done).toBe(1);
    h.engine.drain(() => done++);
    expect(done).toBe(2);
  });

  it('stop answers everything and tells when the last container is gone', () => {
    const h = new Harness({ cpuSlots: 2 });
    const fn = h.register();
    const all = [h.invoke(fn), h.invoke(fn), h.invoke(fn)];
    h.ready();
    let done = false;
    h.engine.stop(() => {
      done = true;
    });
    expect(all.map((one) => h.sink.classOf(one))).toEqual(['unavailable', 'unavailable', 'unavailable']);
    h.gone();
    expect(done).toBe(false);
    h.gone();
    expect(done).toBe(true);
    expect(h.problems()).toEqual([]);
  });
});

describe('estimates', () => {
  it('are 0 for the unknown, the function’s own time on free slots, and more behind others', () => {
    const h = new Harness({ cpuSlots: 2 });
    const fn = h.register();
    expect(h.engine.estimate([null, fn])).toEqual([0, 0]);
    const invocation = h.invoke(fn);
    h.ready();
    h.complete(invocation, { ...OK, runUs: 2e6 });
    h.complete(h.invoke(fn), { ...OK, runUs: 2e6 });
    expect(h.engine.estimate([fn, fn, fn, fn])).toEqual([2, 2, 2, 3]);
  });
});
