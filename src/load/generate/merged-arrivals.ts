import { type HeapNode, PriorityHeap } from '../../core/priority-heap.js';
import { BatchBuilder } from '../../traces/batch-builder.js';
import type { ArrivalBatch } from '../../traces/trace-source.js';
import type { Arrivals, Rate, Spacing } from '../arrivals/arrivals.js';

/** When one function is called. */
export interface FunctionProcess {
  readonly rate: Rate;
  /** A new one each time: arrivals are the same each time they are asked for. */
  readonly spacing: () => Spacing;
}

interface Next extends HeapNode {
  readonly spacing: Spacing;
  readonly rate: Rate;
}

/** The arrivals of many functions, each with a process of its own, in the order of their times. Memory is that of the functions. Null = never called. */
export class MergedArrivals implements Arrivals {
  readonly #processes: readonly (FunctionProcess | null)[];
  readonly #untilUs: number;

  /** The last arrival is before `untilUs`; Infinity = they never end. */
  constructor(processes: readonly (FunctionProcess | null)[], untilUs: number) {
    this.#processes = processes;
    this.#untilUs = untilUs;
  }

  async *arrivals(): AsyncGenerator<ArrivalBatch> {
    const heap = new PriorityHeap<Next>();
    const push = (next: Next): void => {
      next.priority = Math.round(next.rate.timeOf(next.spacing.next()));
      if (next.priority < this.#untilUs && Number.isSafeInteger(next.priority)) heap.push(next);
    };
    for (const [order, process] of this.#processes.entries()) {
      if (process === null) continue;
      push({ priority: 0, order, heapIndex: -1, spacing: process.spacing(), rate: process.rate });
    }
    const batch = new BatchBuilder();
    for (let next = heap.first(); next !== null; next = heap.first()) {
      batch.add(next.priority, next.order);
      heap.remove(next);
      push(next);
      if (!batch.full) continue;
      yield batch;
      batch.count = 0;
    }
    if (batch.count > 0) yield batch;
  }
}

/** Another spacing, later by a part of a unit: functions that are called at equal distances need not all be called together. */
export class PhasedSpacing implements Spacing {
  readonly #spacing: Spacing;
  readonly #phase: number;

  constructor(spacing: Spacing, phase: number) {
    this.#spacing = spacing;
    this.#phase = phase;
  }

  next(): number {
    return this.#spacing.next() + this.#phase;
  }
}
