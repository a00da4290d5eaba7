import { setTimeout as sleep } from 'node:timers/promises';
import { IluvatarError } from '../../core/index.js';
import type { ClockOffset } from './series-source.js';

/** One look at another clock: it showed something from `earliestMs` to `latestMs`, at a moment between `beforeMs` and `afterMs` of this one. */
export interface ClockReading {
  readonly beforeMs: number;
  readonly afterMs: number;
  readonly earliestMs: number;
  readonly latestMs: number;
}

/**
 * The offset that agrees with all readings: each says that it lies in an interval, and so it lies in what they have in common (Cristian's algorithm, with Marzullo's intersection). Readings that contradict
 * each other mean a clock that was set meanwhile: then the latest counts.
 */
export function offsetOf(readings: readonly ClockReading[], method: string): ClockOffset {
  let low = Number.NEGATIVE_INFINITY;
  let high = Number.POSITIVE_INFINITY;
  for (const { beforeMs, afterMs, earliestMs, latestMs } of readings) {
    const [from, to] = [earliestMs - afterMs, latestMs - beforeMs];
    const contradicts = from > high || to < low;
    low = contradicts ? from : Math.max(low, from);
    high = contradicts ? to : Math.min(high, to);
  }
  return { offsetMs: (low + high) / 2, uncertaintyMs: (high - low) / 2, method };
}

/** Readings, and how far apart: `Date` has whole seconds, so looks from all parts of one second are wanted, each of which halves nothing but cuts off an end. */
const LOOKS = 9;
const APART_MS = 127;

/** By the `Date` header of answers to HEAD or GET requests, which every HTTP server has. Rejects with an IluvatarError `unavailable`. */
export async function httpDateOffset(url: string, signal: AbortSignal): Promise<ClockOffset> {
  const readings: ClockReading[] = [];
  for (let look = 0; look < LOOKS; look++) {
    if (look > 0) await sleep(APART_MS, undefined, { signal });
    const beforeMs = Date.now();
    const response = await reach(url, signal);
    const afterMs = Date.now();
    await response.arrayBuffer();
    const earliestMs = Date.parse(response.headers.get('date') ?? '');
    if (Number.isNaN(earliestMs)) throw new IluvatarError('unavailable', `${url} does not say what time it is`);
    // At least a millisecond wide: this clock has whole ones, too.
    readings.push({ beforeMs, afterMs: afterMs + 1, earliestMs, latestMs: earliestMs + 1000 });
  }
  return offsetOf(readings, `the Date header of ${LOOKS} answers`);
}

/** fetch says "fetch failed" and keeps why to itself. */
export async function reach(url: string | URL, signal: AbortSignal, init: RequestInit = {}): Promise<Response> {
  try {
    return await fetch(url, { ...init, signal });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const { cause } = error as Error;
    const why = cause instanceof Error ? cause.message : String(error);
    throw new IluvatarError('unavailable', `${new URL(url).origin} cannot be reached: ${why}`);
  }
}
