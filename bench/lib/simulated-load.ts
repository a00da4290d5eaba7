import { seededRandom } from '../../src/core/index.js';
import { EVENT, EventHeap } from '../../src/sim/event-heap.js';
import { ArrayTrace } from '../../src/traces/array-trace.js';
import type { TraceFunctionInput } from '../../src/traces/trace-source.js';

const SECOND = 1_000_000;

/** Of the shape of a sampled production trace: a few functions that are called all the time and run shortly, many that are called rarely, some of which run for long. */
const SHAPE: readonly (readonly [gapMs: number, warmMs: number, coldMs: number, memoryMb: number])[] = [
  [77, 30, 1600, 40],
  [210, 60, 500, 64],
  [214, 140, 30_000, 6],
  [264, 40, 12_000, 8],
  [390, 40, 2500, 112],
  [400, 20, 10_500, 96],
  [500, 1100, 60_000, 360],
  [500, 130, 6000, 92],
  [1000, 35, 1600, 22],
  [1500, 100, 3500, 144],
  [2400, 9000, 90_000, 40],
  [3000, 8000, 20_000, 14],
  [3300, 30, 500, 20],
  [3700, 9500, 70_000, 6],
  [4000, 3700, 48_000, 8],
  [4400, 25, 2200, 60],
  [5400, 120, 2600, 40],
  [6000, 170, 720, 16],
  [6000, 220, 2500, 8],
  [6000, 15_000, 41_000, 216],
];

/** 300 s, about 11,000 invocations of 20 functions, arriving at random; the same each time. */
export function paperLikeTrace(): ArrayTrace {
  const functions: TraceFunctionInput[] = SHAPE.map(([, warmMs, coldMs, memoryMb], i) => ({
    name: `f${i}`,
    memoryMb,
    warmUs: warmMs * 1000,
    coldUs: coldMs * 1000,
  }));
  const arrivals: [number, string][] = [];
  SHAPE.forEach(([gapMs], i) => {
    const random = seededRandom(1, i);
    const gap = (): number => Math.round(-Math.log(1 - random()) * gapMs * 1000);
    for (let at = gap(); at < 300 * SECOND; at += gap()) arrivals.push([at, `f${i}`]);
  });
  return new ArrayTrace(
    functions,
    arrivals.sort((a, b) => a[0] - b[0]),
  );
}

/** A day in which each of 100 functions is called once a minute. */
export function sparseTrace(): ArrayTrace {
  const count = 100;
  const functions = Array.from({ length: count }, (_, i) => ({
    name: `f${i}`,
    memoryMb: 128,
    warmUs: 100_000,
    coldUs: 1_100_000,
  }));
  const arrivals = Array.from({ length: 24 * 60 * count }, (_, n) => {
    const i = n % count;
    return [Math.floor(n / count) * 60 * SECOND + i * 600_000, `f${i}`] as const;
  });
  return new ArrayTrace(functions, arrivals);
}

/** The least that a simulation of events can do: as many are taken out of a heap and put into it, with so many waiting. ns an invocation. */
export function heapFloorNs(invocations: number, waiting: number): number {
  const heap = new EventHeap();
  let counted = 0;
  for (let i = 0; i < waiting; i++) heap.push(i * 7, EVENT.call, null, null, i, null);
  const start = process.hrtime.bigint();
  for (let i = 0; i < invocations; i++) {
    heap.pop();
    counted += heap.runUs;
    heap.push(heap.nextAt + (i % 1000), EVENT.call, null, null, 1, null);
  }
  const ns = Number(process.hrtime.bigint() - start);
  if (counted < 0) throw new Error('nothing was counted');
  return ns / invocations;
}
