import { describe, expect, it } from 'vitest';
import type { Container } from '../../src/core/pool/container.js';
import type { ContainerFailure } from '../../src/core/ports.js';
import { BAD_CODE, first, Harness, LOST_RACE, ONE_ATTEMPT, UNABLE } from './support/harness.js';

/**
 * One history, in which containers are made for invocations, for prewarming, and at the expense of others, played once for each creation and each way in which it can fail: nothing
 * may be left, nobody may go without an answer, and what comes afterwards runs.
 */

type Way = 'later' | 'from inside' | 'exit';

function play(failing: number, failure: ContainerFailure, way: Way): { created: number; answered: (string | null)[] } {
  const h = new Harness({ cpuSlots: 2, memoryMb: 400, create: { ...ONE_ATTEMPT, attempts: 2 } });
  let created = 0;
  let prewarms = 0;
  const failed = new Set<Container>();
  h.port.onCreate = (container) => {
    if (++created !== failing) return;
    failed.add(container);
    if (way === 'from inside') h.failed(failure, container);
  };
  const answerAll = (): void => {
    for (let round = 0; round < 100; round++) {
      expect(h.problems()).toEqual([]);
      const { creating, destroying, runs } = h.port;
      if (creating.size + destroying.size + runs.size === 0 && h.engine.nextDeadline() > h.clock.time + 100_000) return;
      if (creating.size > 0) {
        const container = first(creating);
        if (!failed.has(container)) h.ready(container);
        else if (way === 'exit') h.exited(container, failure);
        else h.failed(failure, container);
      } else if (runs.size > 0) h.complete(first(runs.keys()));
      else if (destroying.size > 0) h.gone();
      else h.advance(h.engine.nextDeadline() - h.clock.time);
    }
    throw new Error('it does not end');
  };
  const wide = h.register({ name: 'wide', concurrency: 2, backends: ['model', 'second'], timeoutMs: 60_000 });
  const narrow = h.register({ name: 'narrow', backends: ['second'], timeoutMs: 60_000 });
  const large = h.register({ name: 'large', memoryMb: 300, cpus: 2, timeoutMs: 60_000 });
  const invocations = [h.invoke(wide), h.invoke(narrow), h.invoke(wide), h.invoke(wide)];
  h.engine.prewarm(narrow, 1, { settled: () => prewarms++ });
  answerAll();
  invocations.push(h.invoke(large), h.invoke(wide));
  answerAll();
  h.engine.prewarm(wide, 1, { settled: () => prewarms++ });
  invocations.push(h.invoke(narrow));
  answerAll();
  expect([prewarms, h.engine.open]).toEqual([2, 0]);
  const during = created;
  const answered = invocations.map((one) => h.sink.classOf(one));
  for (const fn of [wide, narrow, large]) {
    const after = h.invoke(fn);
    answerAll();
    expect(h.sink.classOf(after)).toBe('ok');
  }
  let stopped = false;
  h.engine.stop(() => (stopped = true));
  while (h.port.destroying.size > 0) h.gone();
  const { memory, cpu, queue, starting } = h.engine.status();
  expect([stopped, memory.totalMb, cpu.used, queue.length, starting]).toEqual([true, 0, 0, 0, 0]);
  expect(h.engine.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  return { created: during, answered };
}

const FAILURES = { passing: { ...BAD_CODE, transient: true }, lasting: BAD_CODE, 'not able': UNABLE, race: LOST_RACE };

describe('the k-th creation fails', () => {
  const { created: all } = play(0, LOST_RACE, 'later');

  for (const [name, failure] of Object.entries(FAILURES)) {
    for (const way of ['later', 'from inside', 'exit'] as const) {
      it(`for all k, ${name}, ${way}`, () => {
        expect(all).toBeGreaterThan(5);
        for (let k = 1; k <= all; k++) {
          const { answered } = play(k, failure, way);
          const lost = answered.filter((one) => one !== 'ok');
          // A passing failure costs nobody anything; a lasting one at most the invocation that it was for.
          if (failure.transient) expect(lost).toEqual([]);
          else expect(lost.length).toBeLessThanOrEqual(1);
        }
      });
    }
  }
});
