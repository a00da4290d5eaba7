import { describe, expect, it } from 'vitest';
import type { CreationOptions } from '../../src/core/creation/creation-policy.js';
import type { Invocation } from '../../src/core/invocation.js';
import { BAD_CODE, first, Harness, LOST_RACE, ONE_ATTEMPT, UNABLE } from './support/harness.js';

/** Creating again, and elsewhere: attempts, back-offs, fall-back and breakers, one at a time. */

const PASSING = { ...BAD_CODE, message: 'the table is full', transient: true };

function harness(create: Partial<CreationOptions> = {}): Harness {
  return new Harness({ create: { ...ONE_ATTEMPT, attempts: 3, ...create } });
}

/** What is held: slots, reserved memory, what waits, what starts. */
function held(h: Harness): number[] {
  const { cpu, memory, queue, starting } = h.engine.status();
  return [cpu.used, memory.totalMb, queue.length, starting];
}

function causes(h: Harness, invocation: Invocation): unknown {
  return h.sink.outcomes.get(invocation)?.details?.evidence?.['causes'];
}

describe('attempts', () => {
  it('are made after back-offs that double, and all their causes are told', () => {
    const h = harness();
    const invocation = h.invoke(h.register({ timeoutMs: 1000 }));
    for (const pause of [10_000, 20_000]) {
      expect(held(h)).toEqual([1, 100, 0, 1]);
      h.failed(PASSING);
      expect([h.sink.classOf(invocation), h.engine.nextDeadline() - h.clock.time]).toEqual(['open', pause]);
      h.advance(pause - 1);
      expect(h.port.creating.size).toBe(0);
      expect(h.problems()).toEqual([]);
      h.advance(1);
    }
    h.failed(PASSING);
    expect(h.sink.classOf(invocation)).toBe('start_failed');
    const { message, details } = h.sink.outcomes.get(invocation) ?? {};
    expect(message).toBe('no container could be made in 3 attempts; the last, on model: the table is full');
    expect(details).toEqual({
      attempts: 3,
      evidence: {
        causes: [1, 2, 3].map((attempt) => ({
          attempt,
          backend: 'model',
          errorClass: 'start_failed',
          message: 'the table is full',
        })),
      },
    });
    expect([h.engine.counters.creationRetries, h.engine.counters.retries]).toEqual([2, 0]);
    expect(held(h)).toEqual([0, 0, 0, 0]);
  });

  it('end with the first success, which forgets the back-off', () => {
    const h = harness();
    const fn = h.register();
    const invocation = h.invoke(fn);
    h.failed(PASSING);
    h.advance(10_000);
    h.ready();
    h.complete(invocation);
    expect([h.sink.classOf(invocation), invocation.attempts]).toEqual(['ok', 2]);
    h.engine.clean();
    h.gone();
    h.invoke(fn);
    h.failed(PASSING);
    expect(h.engine.nextDeadline() - h.clock.time).toBe(10_000);
  });

  it('are not more than one after a failure that lasts, in its own words', () => {
    const h = harness();
    const invocation = h.invoke(h.register());
    h.failed(BAD_CODE);
    expect(h.sink.outcomes.get(invocation)).toMatchObject({ errorClass: 'start_failed', message: 'no' });
    expect(causes(h, invocation)).toEqual([
      { attempt: 1, backend: 'model', errorClass: 'start_failed', message: 'no' },
    ]);
    expect(h.sink.outcomes.get(invocation)?.details?.attempts).toBeUndefined();
    expect(h.engine.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });

  it('are as many as the function says, whatever its retries', () => {
    const h = harness();
    const once = h.invoke(h.register({ name: 'once', createAttempts: 1, retries: 5 }));
    h.failed(PASSING);
    expect(h.sink.classOf(once)).toBe('start_failed');
    const twice = h.invoke(h.register({ name: 'twice', createAttempts: 2 }));
    h.failed(PASSING);
    h.advance(10_000);
    h.failed(PASSING);
    expect([h.sink.classOf(twice), twice.attempts]).toEqual(['start_failed', 2]);
  });

  it('begin anew when a container that was made is lost', () => {
    const h = harness({ attempts: 2 });
    const invocation = h.invoke(h.register({ retries: 1, timeoutMs: 10_000 }));
    h.failed(PASSING);
    h.advance(10_000);
    h.exited(h.ready(), LOST_RACE);
    h.failed(PASSING);
    h.advance(10_000);
    expect(h.port.creating.size).toBe(1);
    h.failed(PASSING);
    expect(causes(h, invocation)).toHaveLength(2);
  });
});

describe('a back-off', () => {
  it('leaves part of its pause to chance', () => {
    const draws = [0, 0.5, 1 - 1e-9];
    const pauses = draws.map((draw) => {
      const h = harness({ jitter: 0.4, random: () => draw });
      h.invoke(h.register());
      h.failed(PASSING);
      return h.engine.nextDeadline() - h.clock.time;
    });
    expect(pauses).toEqual([10_000, 8000, 6000]);
  });

  it('is no longer than its bound', () => {
    const h = harness({ attempts: 10 });
    h.invoke(h.register({ timeoutMs: 10_000 }));
    const pauses = Array.from({ length: 5 }, () => {
      h.failed(PASSING);
      const pause = h.engine.nextDeadline() - h.clock.time;
      h.advance(pause);
      return pause;
    });
    expect(pauses).toEqual([10_000, 20_000, 40_000, 40_000, 40_000]);
  });

  it('holds nothing: others run meanwhile, with all the memory and slots there are', () => {
    const h = new Harness({ cpuSlots: 1, memoryMb: 100, create: { ...ONE_ATTEMPT, attempts: 2 } });
    const waiting = h.invoke(h.register());
    h.failed(PASSING);
    expect(held(h)).toEqual([0, 0, 1, 0]);
    const other = h.invoke(h.register({ name: 'other' }));
    h.ready();
    h.complete(other);
    h.advance(10_000);
    // Its turn has come: the idle container of the other makes room.
    h.gone();
    h.ready();
    h.complete(waiting);
    expect([h.sink.classOf(other), h.sink.classOf(waiting)]).toEqual(['ok', 'ok']);
    expect(h.problems()).toEqual([]);
  });

  it('keeps those of its function that come meanwhile from failing as well, and their order', () => {
    const h = harness();
    const fn = h.register();
    const invocations = [h.invoke(fn), h.invoke(fn)];
    h.failed(PASSING);
    expect(h.port.creating.size).toBe(1);
    // Begun before: it does not lengthen the pause.
    h.failed(PASSING);
    expect(h.engine.nextDeadline() - h.clock.time).toBe(10_000);
    invocations.push(h.invoke(fn));
    expect([h.port.creating.size, fn.queued]).toEqual([0, 3]);
    h.advance(10_000);
    expect(h.port.creating.size).toBe(3);
    while (h.port.creating.size > 0) h.ready();
    expect(h.port.started).toEqual(invocations);
  });

  it('is not waited for again and again: what has seen as many failures in a row as it may have attempts is told', () => {
    const h = new Harness({ cpuSlots: 1, create: { ...ONE_ATTEMPT, attempts: 3 } });
    const fn = h.register();
    const [tried, waited] = [h.invoke(fn), h.invoke(fn)];
    h.failed(PASSING);
    h.advance(10_000);
    const late = h.invoke(fn);
    for (const pause of [20_000, 40_000]) {
      h.failed(PASSING);
      h.advance(pause);
    }
    expect([tried, waited, late].map((one) => h.sink.classOf(one))).toEqual(['start_failed', 'start_failed', 'open']);
    expect(causes(h, waited)).toHaveLength(3);
    h.ready();
    h.complete(late);
    expect(h.sink.classOf(late)).toBe('ok');
    expect(h.problems()).toEqual([]);
  });

  it('is over for whoever finds a container that came free', () => {
    const h = harness();
    const fn = h.register();
    const [a, b] = [h.invoke(fn), h.invoke(fn)];
    h.ready();
    h.failed(PASSING);
    expect([h.port.runs.size, fn.queued]).toEqual([1, 1]);
    h.complete(first(h.port.runs.keys()));
    expect([...h.port.runs.keys()]).toEqual([b.phase === 'running' ? b : a]);
    expect(h.problems()).toEqual([]);
  });

  it('ends with the time of those that wait, who are told what went wrong', () => {
    const h = harness({ backOffUs: 100_000, maxBackOffUs: 100_000 });
    const invocation = h.invoke(h.register({ timeoutMs: 50 }));
    h.failed(PASSING);
    h.advance(50_000);
    expect(h.sink.outcomes.get(invocation)).toMatchObject({
      errorClass: 'timeout',
      message: 'its time passed in the queue, after 1 failed attempt to make a container',
    });
    expect(causes(h, invocation)).toHaveLength(1);
    h.advance(50_000);
    expect([h.port.creating.size, h.engine.nextDeadline()]).toEqual([0, Number.POSITIVE_INFINITY]);
  });

  it('is left by an invocation whose caller leaves, and ends with its function and with the worker', () => {
    for (const end of ['abandon', 'unregister', 'stop'] as const) {
      const h = harness();
      const fn = h.register();
      const invocation = h.invoke(fn);
      h.failed(PASSING);
      if (end === 'abandon') h.engine.abandon(invocation);
      else if (end === 'unregister') h.engine.unregister(fn.key);
      let stopped = false;
      h.engine.stop(() => (stopped = true));
      expect(h.sink.classOf(invocation)).toBe(end === 'abandon' ? 'cancelled' : 'unavailable');
      expect([stopped, h.engine.open, h.engine.nextDeadline()]).toEqual([true, 0, Number.POSITIVE_INFINITY]);
      h.advance(1e9);
      expect(h.port.creating.size).toBe(0);
      expect(h.problems()).toEqual([]);
    }
  });
});

describe('fall-back', () => {
  const two = { backends: ['model', 'second'] };

  it('takes the next backend at once when one is not able to', () => {
    const h = harness();
    const invocation = h.invoke(h.register(two));
    h.failed(UNABLE);
    const [container] = h.port.creating;
    expect([container?.backend, invocation.phase, held(h)]).toEqual(['second', 'starting', [1, 100, 0, 1]]);
    h.ready();
    h.complete(invocation);
    expect([invocation.attempts, invocation.container?.backend]).toEqual([2, 'second']);
    expect(h.engine.counters.fallBacks).toBe(1);
  });

  it('takes it when the attempts on the first are used up', () => {
    const h = harness({ attempts: 2, breaker: { failures: 9, openUs: 1 } });
    const invocation = h.invoke(h.register(two));
    const tried: string[] = [];
    for (let i = 0; i < 4; i++) {
      const container = first(h.port.creating);
      tried.push(container.backend);
      h.failed(PASSING, container);
      h.advance(40_000);
    }
    expect(tried).toEqual(['model', 'model', 'second', 'second']);
    expect(h.sink.classOf(invocation)).toBe('start_failed');
    expect(causes(h, invocation)).toMatchObject(tried.map((backend) => ({ backend })));
  });

  it('asks all of them again after a back-off, when all were unable only for a moment', () => {
    const h = harness({ attempts: 2, breaker: { failures: 9, openUs: 1 } });
    const invocation = h.invoke(h.register(two));
    h.failed(LOST_RACE);
    h.failed(LOST_RACE);
    expect(held(h)).toEqual([0, 0, 1, 0]);
    h.advance(10_000);
    expect(first(h.port.creating).backend).toBe('model');
    h.failed(LOST_RACE);
    h.failed(LOST_RACE);
    expect([h.sink.classOf(invocation), (causes(h, invocation) as unknown[]).length]).toEqual(['unavailable', 4]);
  });

  it('is not taken for what is the function’s own fault', () => {
    const h = harness();
    const invocation = h.invoke(h.register(two));
    h.failed(BAD_CODE);
    expect([h.sink.classOf(invocation), h.port.creating.size]).toEqual(['start_failed', 0]);
    expect(h.engine.status().backends[0]).toMatchObject({ created: 1, failed: 1, avoided: false });
  });

  it('can be switched off, for all functions and for one', () => {
    for (const h of [harness({ fallBack: false }), harness()]) {
      const invocation = h.invoke(h.register({ ...two, fallBack: false }));
      h.failed(UNABLE);
      expect([h.sink.classOf(invocation), h.port.creating.size]).toEqual(['unavailable', 0]);
    }
    const h = harness({ fallBack: false });
    h.invoke(h.register({ ...two, fallBack: true }));
    h.failed(UNABLE);
    expect(first(h.port.creating).backend).toBe('second');
  });
});

describe('the breaker of a backend', () => {
  const two = { backends: ['model', 'second'] };

  function opened(): Harness {
    const h = harness();
    for (let i = 0; i < 3; i++) {
      h.invoke(h.register({ name: `f${i}`, ...two }));
      h.failed(UNABLE, [...h.port.creating].at(-1));
    }
    return h;
  }

  it('sends creations elsewhere after some failures in a row', () => {
    const h = opened();
    expect(h.engine.status().backends).toMatchObject([
      { name: 'model', failed: 3, avoided: true },
      { name: 'second', containers: 3, avoided: false },
      { name: 'third', created: 0 },
    ]);
    while (h.port.creating.size > 0) h.ready();
    h.invoke(h.register({ name: 'later', ...two }));
    expect(first(h.port.creating).backend).toBe('second');
  });

  it('lets one probe through after a while, and goes by how it ends', () => {
    const h = opened();
    while (h.port.creating.size > 0) h.ready();
    const invoke = (name: string): string => {
      h.invoke(h.register({ name, ...two }));
      return [...h.port.creating].at(-1)?.backend ?? 'none';
    };
    h.advance(100_000);
    while (h.port.runs.size > 0) h.complete(first(h.port.runs.keys()));
    expect([invoke('probe'), invoke('beside')]).toEqual(['model', 'second']);
    h.failed(UNABLE);
    expect(h.problems()).toEqual([]);
    h.engine.clean();
    while (h.port.destroying.size > 0) h.gone();
    h.advance(100_000);
    expect(invoke('again')).toBe('model');
    h.ready([...h.port.creating].at(-1));
    expect(h.engine.status().backends[0]?.avoided).toBe(false);
    expect(invoke('after')).toBe('model');
  });

  it('keeps room for the next probe when one ends without a verdict', () => {
    const h = opened();
    while (h.port.creating.size > 0) h.ready();
    h.advance(100_000);
    const probe = h.register({ name: 'probe', ...two });
    h.engine.prewarm(probe, 1, { settled() {} });
    expect(first(h.port.creating).backend).toBe('model');
    h.engine.unregister(probe.key);
    h.gone();
    expect(h.problems()).toEqual([]);
    h.engine.prewarm(h.register({ name: 'next', ...two }), 1, { settled() {} });
    expect(first(h.port.creating).backend).toBe('model');
  });

  it('keeps nothing from the only backend there is', () => {
    const h = opened();
    h.invoke(h.register({ name: 'only', backends: ['model'] }));
    expect([...h.port.creating].at(-1)?.backend).toBe('model');
  });
});

describe('prewarm', () => {
  const asked = (h: Harness, count: number, over = {}): { told: unknown[] } => {
    const told: unknown[] = [];
    h.engine.prewarm(h.register(over), count, { settled: (...said) => told.push(said) });
    return { told };
  };

  it('tries again after a back-off, and says in how many attempts it succeeded', () => {
    const h = harness();
    const { told } = asked(h, 2);
    h.ready();
    h.failed(PASSING);
    expect([told, held(h)]).toEqual([[], [0, 100, 0, 0]]);
    h.advance(10_000);
    h.ready();
    expect(told).toEqual([[2, null, 3]]);
    expect(h.problems()).toEqual([]);
  });

  it('falls back, and gives up with all causes', () => {
    const h = harness({ attempts: 2, breaker: { failures: 9, openUs: 1 } });
    const { told } = asked(h, 1, { backends: ['model', 'second'] });
    h.failed(UNABLE);
    expect(first(h.port.creating).backend).toBe('second');
    h.failed(PASSING);
    h.advance(10_000);
    h.failed(PASSING);
    expect(told).toMatchObject([
      [
        0,
        {
          errorClass: 'start_failed',
          message: 'no container could be made in 3 attempts; the last, on second: the table is full',
          details: { attempts: 3, evidence: { causes: [{ backend: 'model' }, { backend: 'second' }, { attempt: 3 }] } },
        },
        3,
      ],
    ]);
  });

  it('holds up nobody else in its back-off', () => {
    const h = harness();
    const one = asked(h, 1, { name: 'one' });
    h.failed(PASSING);
    const other = asked(h, 1, { name: 'other' });
    h.ready();
    expect([one.told, other.told]).toEqual([[], [[1, null, 1]]]);
    h.advance(10_000);
    h.ready();
    expect(one.told).toEqual([[1, null, 2]]);
  });

  it('is given up in a back-off when its function goes, or the worker drains or stops', () => {
    for (const end of ['unregister', 'drain', 'stop'] as const) {
      const h = harness();
      const { told } = asked(h, 1);
      h.failed(PASSING);
      if (end === 'unregister') h.engine.unregister('f@1');
      else h.engine[end](() => {});
      expect(told).toMatchObject([[0, { errorClass: 'unavailable' }, 1]]);
      expect(h.problems()).toEqual([]);
    }
  });

  it('is not tried again once the worker drains', () => {
    const h = harness();
    const { told } = asked(h, 1);
    h.engine.drain(() => {});
    h.failed(PASSING);
    expect(told).toMatchObject([[0, { errorClass: 'start_failed' }, 1]]);
  });
});

describe('what a breaker learns', () => {
  it('nothing from a function’s own fault, neither that its backend works nor that it does not', () => {
    const h = harness();
    const two = { backends: ['model', 'second'] };
    for (const [i, failure] of [UNABLE, UNABLE, BAD_CODE, BAD_CODE, BAD_CODE].entries()) {
      h.invoke(h.register({ name: `f${i}`, ...two }));
      h.failed(failure, [...h.port.creating].at(-1));
      expect(h.engine.status().backends[0]?.avoided).toBe(false);
    }
    h.invoke(h.register({ name: 'third', ...two }));
    h.failed(UNABLE, [...h.port.creating].at(-1));
    expect(h.engine.status().backends[0]?.avoided).toBe(true);
    expect(h.problems()).toEqual([]);
  });
});
