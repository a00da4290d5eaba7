import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { noGpus } from '../../src/core/resources/gpu-options.js';
import { History } from './support/history.js';
import {
  ADDRESSES,
  addressedArbitrary,
  eventArbitrary,
  functionArbitrary,
  GPUS,
  gpuEventArbitrary,
  gpuFunctionArbitrary,
  POWER_EVENTS,
  powerArbitrary,
  QUEUE_LIMIT,
} from './support/history-events.js';

/**
 * Random histories of an engine whose port answers in any order, late, or by itself, and whose callers come back from inside their answer. After every event the
 * books must add up; at the end, when everything has been answered, nothing may be left.
 */

/** More by hand: `ILUVATAR_TEST_RUNS=20000 npx vitest run test/core`. */
const RUNS = Number(process.env['ILUVATAR_TEST_RUNS'] ?? 400);

describe('any history of the engine', () => {
  for (const eviction of ['lru', 'ttl'] as const) {
    for (const eager of [false, true]) {
      it(`keeps its books and answers everything once (${eviction}${eager ? ', answers from inside commands' : ''})`, () => {
        fc.assert(
          fc.property(
            fc.array(functionArbitrary, { minLength: 1, maxLength: 4 }),
            fc.array(eventArbitrary, { maxLength: 120 }),
            (specs, events) => {
              const history = new History(eviction, specs, eager);
              for (const event of events) {
                history.apply(event);
                history.check();
              }
              history.finish();
            },
          ),
          { numRuns: RUNS },
        );
      });
    }
  }

  for (const eager of [false, true]) {
    it(`keeps its books on GPUs too (${eager ? 'answers from inside commands' : 'answers later'})`, () => {
      fc.assert(
        fc.property(
          fc.array(gpuFunctionArbitrary, { minLength: 1, maxLength: 4 }),
          fc.array(gpuEventArbitrary, { maxLength: 120 }),
          (specs, events) => {
            const history = new History('lru', specs, eager, GPUS);
            for (const event of events) {
              history.apply(event);
              history.check();
            }
            history.finish();
          },
        ),
        { numRuns: 2 * RUNS },
      );
    });

    it(`counts memory that GPUs share with the host once, and starves nobody on GPUs that are never idle (${eager ? 'answers from inside commands' : 'answers later'})`, () => {
      const gpu = { ...GPUS, sharedMemory: true };
      const fitting = gpuFunctionArbitrary.map((spec) => ({ ...spec, memoryMb: Math.min(spec.memoryMb, 400) }));
      fc.assert(
        fc.property(
          fc.array(fitting, { minLength: 1, maxLength: 4 }),
          fc.array(gpuEventArbitrary, { maxLength: 120 }),
          (specs, events) => {
            const history = new History('lru', specs, eager, gpu);
            for (const event of events) {
              history.apply(event);
              history.check();
            }
            history.finish(95);
          },
        ),
        { numRuns: 2 * RUNS },
      );
    });
  }

  for (const eviction of ['lru', 'ttl'] as const) {
    for (const eager of [false, true]) {
      it(`keeps its books of few addresses too (${eviction}, ${eager ? 'answers from inside commands' : 'answers later'})`, () => {
        const some = fc.record({ kind: fc.constantFrom('fewer addresses', 'all addresses'), pick: fc.nat(1000) });
        fc.assert(
          fc.property(
            fc.array(addressedArbitrary, { minLength: 1, maxLength: 5 }),
            fc.array(fc.oneof({ weight: 9, arbitrary: eventArbitrary }, { weight: 1, arbitrary: some }), {
              maxLength: 120,
            }),
            (specs, events) => {
              const history = new History(eviction, specs, eager, noGpus, ADDRESSES);
              for (const event of events) {
                history.apply(event);
                history.check();
              }
              history.finish();
            },
          ),
          { numRuns: RUNS },
        );
      });
    }
  }

  for (const eager of [false, true]) {
    it(`keeps its books under a power cap too (${eager ? 'answers from inside commands' : 'answers later'})`, () => {
      const some = fc.record({ kind: fc.constantFrom(...POWER_EVENTS), pick: fc.nat(1000) });
      fc.assert(
        fc.property(
          fc.array(gpuFunctionArbitrary, { minLength: 1, maxLength: 4 }),
          fc.array(fc.oneof({ weight: 3, arbitrary: gpuEventArbitrary }, { weight: 1, arbitrary: some }), {
            maxLength: 120,
          }),
          powerArbitrary,
          (specs, events, power) => {
            const history = new History('lru', specs, eager, GPUS, Number.POSITIVE_INFINITY, power);
            for (const event of events) {
              history.apply(event);
              history.check();
            }
            history.finish();
          },
        ),
        { numRuns: 2 * RUNS },
      );
    });
  }

  it('runs the invocations of one function in the order of their arrival', () => {
    fc.assert(
      fc.property(
        fc.array(functionArbitrary, { minLength: 1, maxLength: 3 }),
        fc.array(
          eventArbitrary.filter(({ kind }) =>
            [
              'invoke',
              'ready',
              'complete',
              'gone',
              'user error',
              'clean',
              'prewarm',
              'abandon',
              'start failed',
              'exit',
              'time',
            ].includes(kind),
          ),
          { maxLength: 120 },
        ),
        (specs, events) => {
          const history = new History('lru', specs, false);
          for (const event of events) history.apply(event);
          history.finish();
          for (const fn of history.functions) {
            const ids = history.harness.port.started.filter((invocation) => invocation.fn === fn).map(({ id }) => id);
            expect(ids).toEqual([...ids].sort((a, b) => a - b));
          }
        },
      ),
      { numRuns: RUNS },
    );
  });

  it('holds its queue bounds whenever nothing has been put back after a lost container', () => {
    fc.assert(
      fc.property(
        fc.array(functionArbitrary, { minLength: 1, maxLength: 3 }),
        fc.array(
          eventArbitrary.filter(
            ({ kind }) => !['lost race', 'not able', 'exit for a while', 'exit while creating'].includes(kind),
          ),
          { maxLength: 120 },
        ),
        (specs, events) => {
          const history = new History('lru', specs, false);
          for (const event of events) {
            history.apply(event);
            expect(history.harness.engine.status().queue.length).toBeLessThanOrEqual(QUEUE_LIMIT);
            for (const fn of history.functions)
              expect(fn.queued).toBeLessThanOrEqual(fn.spec.queueLimit ?? QUEUE_LIMIT);
          }
          history.finish();
        },
      ),
      { numRuns: RUNS },
    );
  });
});
