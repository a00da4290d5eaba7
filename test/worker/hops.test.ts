import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type HopWorker, startHopWorker } from '../../bench/lib/hops.js';
import { describeWith } from '../support/requirement.js';

/**
 * A warm invocation must cost at most the one promise that the public API returns; over the unix socket nobody asked for one. Each would be an allocation and
 * a turn through the microtask queue in the hottest path there is. The load comes from a C client in a process of its own, so that all that is counted is the worker's.
 */
describeWith({ command: ['gcc', 'python3'] }, 'promises of a warm invocation', () => {
  const entry = fileURLToPath(new URL('../../dist/index.js', import.meta.url));
  let worker: HopWorker;

  beforeAll(async () => {
    // The sampler works by time, not by invocation: on a slow machine it would blur the count.
    worker = await startHopWorker({ entry, config: { memory: { sampleMs: 0 } } });
  });
  afterAll(async () => await worker?.[Symbol.asyncDispose]());

  it.each([1, 16])('are none with %i clients', async (clients) => {
    const { each, places } = await worker.count(1000, clients);
    expect(each.promises, places.join('\n\n')).toBeLessThan(0.05);
    expect(each.continuations).toBeLessThan(0.05);
    expect(each.microtasks).toBeLessThan(0.05);
    expect(each.ticks).toBeLessThan(0.05);
  });

  it('would be seen if there were any: a control call makes some', async () => {
    const { each } = await worker.countCalls(100);
    expect(each.promises).toBeGreaterThanOrEqual(1);
    expect(each.continuations).toBeGreaterThanOrEqual(1);
  });
});
