import { describe, expect, it } from 'vitest';
import { type Point, whole } from '../../../src/telemetry/push/point.js';
import { PushSender } from '../../../src/telemetry/push/push-sender.js';
import { PointsRefused, type PushSink } from '../../../src/telemetry/push/sink.js';

const point = (n: number): Point => ({ measurement: 'm', tags: {}, fields: [whole('n', n)], path: ['m'], timeMs: n });
const numbers = (points: readonly Point[]): number[] => points.map(({ timeMs }) => timeMs);

/** Takes batches as it is told to: each waits until it is let go, or fails. */
class ScriptedSink implements PushSink {
  readonly address = 'scripted';
  readonly batches: number[][] = [];
  readonly #asked: { resolve: () => void; reject: (error: Error) => void }[] = [];
  closed = false;

  send(points: readonly Point[], signal: AbortSignal): Promise<void> {
    this.batches.push(numbers(points));
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error));
      this.#asked.push({ resolve, reject });
    });
  }

  async take(): Promise<void> {
    (this.#asked.shift() as { resolve: () => void }).resolve();
    await Promise.resolve();
  }

  fail(error: Error): void {
    (this.#asked.shift() as { reject: (error: Error) => void }).reject(error);
  }

  close(): void {
    this.closed = true;
  }
}

function sender(overrides: { bufferPoints?: number; batchPoints?: number; timeoutMs?: number; pauseMs?: number } = {}) {
  const sink = new ScriptedSink();
  const failures: string[] = [];
  const { pauseMs = 1, ...limits } = overrides;
  const task = { well: () => undefined, failed: (error: unknown) => failures.push(String(error)) * 0 + pauseMs };
  const options = { bufferPoints: 5, batchPoints: 2, timeoutMs: 60_000, ...limits };
  return { sink, failures, sender: new PushSender({ sink, task, random: () => 0, ...options }) };
}

describe('a sender of points', () => {
  it('sends in order, in batches, one at a time', async () => {
    const { sink, sender: one } = sender();
    one.add([point(1), point(2), point(3)]);
    one.add([point(4)]);
    expect(sink.batches).toEqual([[1, 2]]);
    await sink.take();
    await expect
      .poll(() => sink.batches)
      .toEqual([
        [1, 2],
        [3, 4],
      ]);
    await sink.take();
    await expect.poll(() => one.counters()).toEqual({ sink: 'scripted', sent: 4, dropped: 0, waiting: 0, failures: 0 });
    one.add([point(5)]);
    expect(sink.batches.at(-1)).toEqual([5]);
    one.close();
  });

  it('keeps what a server does not take, drops the oldest beyond its limit, and counts them', async () => {
    const { sink, failures, sender: one } = sender({ pauseMs: 20 });
    one.add([point(1), point(2)]);
    one.add([3, 4, 5, 6].map(point));
    // Those under way cannot be called back: of the others the oldest goes.
    expect(one.counters()).toMatchObject({ dropped: 1, waiting: 5 });
    sink.fail(new Error('gone'));
    await expect.poll(() => failures).toEqual(['Error: gone']);
    one.add([point(7), point(8)]);
    expect(one.counters()).toMatchObject({ dropped: 3, waiting: 5, failures: 1, sent: 0 });
    await expect.poll(() => sink.batches.at(-1)).toEqual([4, 5]);
    await sink.take();
    await expect.poll(() => sink.batches.at(-1)).toEqual([6, 7]);
    one.close();
  });

  it('gives up what a server refuses, and goes on with the rest', async () => {
    const { sink, sender: one } = sender();
    one.add([point(1), point(2), point(3)]);
    sink.fail(new PointsRefused('field type conflict'));
    await expect.poll(() => sink.batches).toEqual([[1, 2], [3]]);
    await sink.take();
    await expect.poll(() => one.counters()).toMatchObject({ sent: 1, dropped: 2, waiting: 0, failures: 1 });
  });

  it('takes a server that does not answer for one that failed', async () => {
    const { failures, sender: one } = sender({ timeoutMs: 5, pauseMs: 60_000 });
    one.add([point(1)]);
    await expect.poll(() => failures).toEqual(['Error: took longer than 5 ms']);
    expect(one.counters()).toMatchObject({ waiting: 1, dropped: 0 });
    one.close();
  });

  it('ends at once, whatever is under way', () => {
    const { sink, failures, sender: one } = sender();
    one.add([point(1)]);
    one.close();
    one.add([point(2)]);
    expect([sink.closed, sink.batches.length, failures]).toEqual([true, 1, []]);
  });
});
