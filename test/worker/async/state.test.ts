import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ERROR_CLASSES, type ErrorClass } from '../../../src/core/errors.js';
import {
  ACCEPTED,
  attemptsOf,
  begun,
  ended,
  interrupted,
  type Progress,
  type RetryPolicy,
  type Step,
  withdrawn,
} from '../../../src/worker/async/invocation-state.js';

const classes = ERROR_CLASSES.filter((name) => name !== 'ok') as ErrorClass[];
const policies: fc.Arbitrary<RetryPolicy> = fc.record({
  attempts: fc.integer({ min: 1, max: 6 }),
  backOffMs: fc.integer({ min: 0, max: 1000 }),
  maxBackOffMs: fc.integer({ min: 0, max: 3000 }),
  jitter: fc.double({ min: 0, max: 1, noNaN: true }),
  retry: fc.subarray(classes).map((some) => new Set<string>(some)),
  interruptions: fc.integer({ min: 1, max: 5 }),
});
/** What may befall a run, again and again. */
type Event = { end: ErrorClass | null; retryAfterMs: number } | 'power cut' | 'stop in order';
const events: fc.Arbitrary<Event[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ end: fc.constantFrom(null, ...classes), retryAfterMs: fc.nat(2000) }) },
    fc.constantFrom('power cut' as const, 'stop in order' as const),
  ),
  { minLength: 60, maxLength: 60 },
);
const chance = fc.double({ min: 0, max: 0.999, noNaN: true });

interface Life {
  final: Exclude<Step, { to: 'retrying' }> | null;
  failures: number;
  cuts: number;
  pauses: number[];
  last: Event | null;
}

function live(policy: RetryPolicy, story: readonly Event[], random: number): Life {
  const life: Life = { final: null, failures: 0, cuts: 0, pauses: [], last: null };
  let progress: Progress = ACCEPTED;
  let now = 1_000_000;
  for (const event of story) {
    now = Math.max(now, progress.dueAt);
    progress = begun(progress);
    life.last = event;
    if (event === 'stop in order') {
      progress = withdrawn(progress);
      continue;
    }
    let step: Step;
    if (event === 'power cut') {
      life.cuts++;
      step = interrupted(progress, policy);
    } else {
      if (event.end !== null) life.failures++;
      step = ended(progress, { errorClass: event.end, retryAfterMs: event.retryAfterMs }, policy, now, () => random);
    }
    if (step.to !== 'retrying') {
      life.final = step;
      return life;
    }
    if (event !== 'power cut') life.pauses.push(step.progress.dueAt - now);
    progress = step.progress;
    expect(attemptsOf(progress)).toBe(life.failures + life.cuts);
  }
  return life;
}

describe('an asynchronous invocation', () => {
  it('ends, exactly once, within its attempts and interruptions', () => {
    fc.assert(
      fc.property(policies, events, chance, (policy, story, random) => {
        const ends = story.filter((event) => event !== 'stop in order').length;
        const { final, failures, cuts, last } = live(policy, story, random);
        // Orderly stops alone may go on for ever; every other run brings the end nearer.
        if (ends >= policy.attempts + policy.interruptions) expect(final).not.toBeNull();
        if (final === null) return;
        expect(failures).toBeLessThanOrEqual(policy.attempts);
        expect(cuts).toBeLessThanOrEqual(policy.interruptions);
        expect(final.attempts).toBe(failures + cuts + (final.to === 'done' ? 1 : 0));
        const end = typeof last === 'object' && last !== null ? last.end : undefined;
        if (final.to === 'done') expect(end).toBeNull();
        if (final.to === 'failed') expect(policy.retry.has(end as string)).toBe(false);
        if (final.to === 'dead' && end !== undefined) {
          expect(policy.retry.has(end as string)).toBe(true);
          expect(failures).toBe(policy.attempts);
        }
        if (final.to === 'dead' && end === undefined) expect(cuts).toBe(policy.interruptions);
      }),
    );
  });

  it('pauses as long as its policy says, never shorter than whoever refused it asked for', () => {
    fc.assert(
      fc.property(policies, events, chance, (policy, story, random) => {
        const wishes = story.flatMap((event) => (typeof event === 'object' && event.end !== null ? [event] : []));
        for (const [i, pause] of live(policy, story, random).pauses.entries()) {
          const full = Math.min(policy.maxBackOffMs, policy.backOffMs * 2 ** i);
          const wish = (wishes[i] as { retryAfterMs: number }).retryAfterMs;
          expect(pause).toBeGreaterThanOrEqual(wish);
          expect(pause).toBeLessThanOrEqual(Math.max(full, wish) + 1);
          expect(pause).toBeGreaterThanOrEqual(Math.floor(full * (1 - policy.jitter)));
        }
      }),
    );
  });

  it('cannot begin twice, nor end without having begun', () => {
    const policy = {
      attempts: 1,
      backOffMs: 0,
      maxBackOffMs: 0,
      jitter: 0,
      retry: new Set<string>(),
      interruptions: 1,
    };
    expect(() => begun(begun(ACCEPTED))).toThrow('cannot begin');
    expect(() => ended(ACCEPTED, { errorClass: null, retryAfterMs: 0 }, policy, 0, () => 0)).toThrow('cannot end');
    expect(() => interrupted(ACCEPTED, policy)).toThrow('cannot be interrupted');
  });
});
