import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { failureText } from '../../src/cli/sim/fuzz.js';
import {
  type ContainerPort,
  cpuQueuePolicies,
  type DestroyReason,
  dispatchPolicies,
  type EngineOptions,
  evictionPolicies,
  gpuQueuePolicies,
  type Invocation,
} from '../../src/core/index.js';
import { FcfsQueue } from '../../src/core/queue/fcfs.js';
import { FAULTS } from '../../src/sim/faults/faults.js';
import { type FailingSeed, fuzzSeed } from '../../src/sim/fuzz/fuzz.js';
import type { FuzzCase } from '../../src/sim/fuzz/fuzz-case.js';
import { generateCase } from '../../src/sim/fuzz/generate.js';
import { runCase } from '../../src/sim/fuzz/run-case.js';
import { shrinkCase } from '../../src/sim/fuzz/shrink.js';

/** More by hand: `iluvatar sim fuzz --seeds 100000`. */
const SEEDS = 2000;
const INVOCATIONS = 250;
const PARTS = 4;

describe('the engine', () => {
  for (let part = 0; part < PARTS; part++) {
    const first = 1 + (part * SEEDS) / PARTS;
    const last = first + SEEDS / PARTS - 1;
    it(`keeps its books through the histories of seeds ${first} to ${last}`, () => {
      for (let seed = first; seed <= last; seed++) {
        const failing = fuzzSeed(seed, INVOCATIONS);
        if (failing === null) continue;
        const { failure, small, smallFailure, command } = failing;
        expect.fail(
          `${command}\n${failure.problems.join('\n')}\n\nsmallest: ${JSON.stringify(small)}\n${smallFailure.problems.join('\n')}`,
        );
      }
    });
  }
});

describe('histories', () => {
  const cases = Array.from({ length: 600 }, (_, seed) => generateCase(seed, 40));

  it('are the same for the same seed, in order of time, and survive JSON', () => {
    for (const [seed, one] of cases.slice(0, 50).entries()) {
      expect(generateCase(seed, 40)).toEqual(one);
      expect(JSON.parse(JSON.stringify(one))).toEqual(one);
      expect(one.events.every(({ at }, i) => i === 0 || at >= (one.events[i - 1] as { at: number }).at)).toBe(true);
    }
  });

  it('use every policy of every family', () => {
    const used = (names: readonly string[], family: object): void =>
      expect(Object.keys(family).filter((name) => !names.includes(name))).toEqual([]);
    used(
      cases.map(({ settings }) => settings.queue.policy),
      cpuQueuePolicies,
    );
    used(
      cases.map(({ settings }) => settings.gpu.queue.policy),
      gpuQueuePolicies,
    );
    used(
      cases.map(({ settings }) => settings.dispatch.policy),
      dispatchPolicies,
    );
    used(
      cases.map(({ settings }) => settings.keepAlive.policy),
      evictionPolicies,
    );
    used(
      cases.map(({ settings }) => settings.gpu.keepAlive.policy),
      evictionPolicies,
    );
  });

  it('use every fault, and none of them always', () => {
    const kinds = cases.map(
      ({ events }) => new Set(events.map((event) => ('plan' in event ? event.plan : event.kind))),
    );
    const wanted = new Set(['ok', ...FAULTS.flatMap(({ run }) => run ?? [])]);
    for (const kind of [
      'abandon',
      'prewarm',
      'unregister',
      'register',
      'exit',
      'late',
      'stray',
      'jump',
      'measured',
      'clean',
    ])
      wanted.add(kind);
    for (const kind of ['gpu lost', 'gpu found', 'gpu reading', 'load reading', 'drain', 'stop']) wanted.add(kind);
    for (const kind of wanted) {
      const share = kinds.filter((of) => of.has(kind as never)).length / kinds.length;
      expect([kind, share > 0.05, share < 0.95 || kind === 'ok']).toEqual([kind, true, true]);
    }
  });
});

/** A queue that loses every fifth invocation it is given. */
class LosingQueue extends FcfsQueue {
  #pushed = 0;
  override push(invocation: Invocation): void {
    if (++this.#pushed % 5 !== 0) super.push(invocation);
  }
  override remove(invocation: Invocation): void {
    if (invocation.queueNode !== null) super.remove(invocation);
  }
}

/** Containers that do not go when they are evicted. */
function deafTo(reason: DestroyReason, port: ContainerPort): ContainerPort {
  return {
    create: (container) => port.create(container),
    run: (container, invocation) => port.run(container, invocation),
    cancel: (container, invocation, why) => port.cancel(container, invocation, why),
    destroy: (container, why) => {
      if (why !== reason) port.destroy(container, why);
    },
  };
}

const losing = (options: EngineOptions): EngineOptions => ({
  ...options,
  queues: { ...options.queues, cpu: new LosingQueue() },
});
const deaf = (options: EngineOptions): EngineOptions => ({ ...options, port: deafTo('evicted', options.port) });

function firstFailing(adapt: (options: EngineOptions) => EngineOptions) {
  for (let seed = 1; seed < 200; seed++) {
    const failing = fuzzSeed(seed, 200, { adapt });
    if (failing !== null) return failing;
  }
  throw new Error('no seed has found the defect');
}

/** Nothing of it can be left out. Which seed finds a defect first, and how, changes with the policies that there are: no size is promised. */
function expectSmall({ seed, small, failure }: FailingSeed, adapt: (options: EngineOptions) => EngineOptions): void {
  expect(small.events.length).toBeLessThan(generateCase(seed, 200).events.length / 5);
  for (let i = 0; i < small.events.length; i++) {
    const without = { ...small, events: small.events.toSpliced(i, 1) };
    expect(runCase(without, { adapt })?.kind).not.toBe(failure.kind);
  }
}

describe('a defect', () => {
  it('of a queue is found, made small, and fails again from what is printed', () => {
    const failing = firstFailing(losing);
    const { small, smallFailure, failure } = failing;
    expect(failing.command).toBe(`iluvatar sim fuzz --seed ${failing.seed} --seeds 1 --invocations 200`);
    expect(fuzzSeed(failing.seed, 200, { adapt: losing })).toEqual(failing);
    expect(smallFailure.kind).toBe(failure.kind);
    // Five that have to queue, and what they queue behind.
    expect(small.events.filter(({ kind }) => kind === 'invoke').length).toBeGreaterThanOrEqual(5);
    expectSmall(failing, losing);
    const printed = JSON.parse(JSON.stringify(small)) as FuzzCase;
    expect(runCase(printed, { adapt: losing })).toEqual(smallFailure);
    expect(runCase(printed)).toBeNull();
  });

  it('is printed with all that it takes to see it again', () => {
    const failing = firstFailing(losing);
    const text = failureText(failing);
    expect(text).toContain(`seed ${failing.seed} fails after ${failing.failure.events} events`);
    expect(text).toContain(`$ ${failing.command}\n`);
    for (const problem of failing.failure.problems) expect(text).toContain(problem);
    for (const { at, ...event } of failing.small.events)
      expect(text).toContain(`at ${at} µs: ${JSON.stringify(event)}`);
    expect(text).toContain(JSON.stringify(failing.small.settings));
  });

  it('of a backend is found and made so small that nothing can be left out', () => {
    const failing = firstFailing(deaf);
    const { small, smallFailure } = failing;
    expectSmall(failing, deaf);
    expect(smallFailure.problems.length).toBeGreaterThan(0);
    expect(runCase(small)).toBeNull();
  });

  it('that throws is told with its place', () => {
    const broken = (options: EngineOptions): EngineOptions => ({
      ...options,
      dispatch: {
        choose: () => {
          throw new Error('no idea');
        },
        ended() {},
        forget() {},
      },
    });
    const { failure } = firstFailing(broken);
    expect(failure.kind).toBe('thrown');
    expect(failure.problems.join('\n')).toMatch(/no idea[\s\S]*fuzz\.test\.ts/);
  });
});

describe('the shrinker', () => {
  it('keeps exactly the events that matter, whichever they are', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.uniqueArray(fc.nat(59), { minLength: 1, maxLength: 5 }), (seed, indexes) => {
        const whole = generateCase(seed, 60);
        const wanted = new Set(indexes.map((i) => whole.events[i]?.at));
        const fails = ({ events }: FuzzCase): boolean => {
          const present = new Set(events.map(({ at }) => at));
          return [...wanted].every((at) => present.has(at as number));
        };
        const { small } = shrinkCase(whole, fails);
        expect(new Set(small.events.map(({ at }) => at))).toEqual(wanted);
        expect(small.events.length).toBe(wanted.size);
      }),
      { numRuns: 50 },
    );
  });

  it('stops after as many runs as it may have', () => {
    const whole = generateCase(1, 200);
    let runs = 0;
    const result = shrinkCase(whole, () => ++runs % 2 === 0, 40);
    expect(runs).toBeLessThanOrEqual(40);
    expect(result.runs).toBe(runs);
  });
});
