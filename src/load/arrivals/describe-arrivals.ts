import type { Arrivals } from './arrivals.js';

export interface ArrivalFacts {
  readonly count: number;
  /** Of the last; µs. */
  readonly lastUs: number;
  /** Arrivals of each function, by its number. */
  readonly byFunction: ReadonlyMap<number, number>;
}

/**
 * Reads all of them. What cannot be read is refused now, before anything is registered or sent, and how many there are is known: progress can tell when it ends.
 */
export async function describeArrivals(arrivals: Arrivals): Promise<ArrivalFacts> {
  const byFunction = new Map<number, number>();
  let total = 0;
  let lastUs = 0;
  for await (const { count, atUs, fn } of arrivals.arrivals()) {
    for (let i = 0; i < count; i++) byFunction.set(fn[i] as number, (byFunction.get(fn[i] as number) ?? 0) + 1);
    total += count;
    if (count > 0) lastUs = atUs[count - 1] as number;
  }
  return { count: total, lastUs, byFunction };
}
