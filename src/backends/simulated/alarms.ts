import { performance } from 'node:perf_hooks';
import { type HeapNode, PriorityHeap } from '../../core/priority-heap.js';

/** Something that is to happen; `cancel` takes it back. */
export class Alarm implements HeapNode {
  priority: number;
  readonly order: number;
  heapIndex = -1;
  readonly ring: () => void;

  constructor(at: number, order: number, ring: () => void) {
    this.priority = at;
    this.order = order;
    this.ring = ring;
  }
}

/**
 * What happens in real time, to the microsecond, for any number of containers: one heap and one timer. A Node timer is a millisecond late at best, so the last
 * one or two before an alarm are spent in turns of the event loop, in which everything else goes on. Nothing is armed while there is nothing to come.
 */
export class Alarms {
  readonly #heap = new PriorityHeap<Alarm>();
  #timer: NodeJS.Timeout | null = null;
  #turn: NodeJS.Immediate | null = null;
  #armedFor = Number.POSITIVE_INFINITY;
  #order = 0;
  #turnedAt = 0;
  /** Time spent in turns of the event loop in which nothing else happened, waiting; µs. Not load, though the event loop counts it so. */
  idleTurnsUs = 0;

  /** `us` from now. Never from inside this call, even for 0. */
  after(us: number, ring: () => void): Alarm {
    const alarm = new Alarm(now() + us, ++this.#order, ring);
    this.#heap.push(alarm);
    if (alarm.priority < this.#armedFor) this.#arm();
    return alarm;
  }

  /** Idempotent, and harmless when it has rung. */
  cancel(alarm: Alarm | null): void {
    if (alarm !== null && alarm.heapIndex >= 0) this.#heap.remove(alarm);
  }

  stop(): void {
    for (let alarm = this.#heap.first(); alarm !== null; alarm = this.#heap.first()) this.#heap.remove(alarm);
    this.#disarm();
  }

  #arm(): void {
    this.#disarm();
    const first = this.#heap.first();
    if (first === null) return;
    this.#armedFor = first.priority;
    const left = first.priority - now();
    if (left < EARLY_US) {
      this.#turnedAt = now();
      this.#turn = setImmediate(this.#turned);
    } else {
      this.#timer = setTimeout(() => this.#ring(), Math.min(MOST_MS, Math.floor((left - EARLY_US) / 1000) + 1));
    }
  }

  readonly #turned = (): void => {
    const us = now() - this.#turnedAt;
    if (us < IDLE_TURN_US) this.idleTurnsUs += us;
    this.#ring();
  };

  #disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#turn !== null) clearImmediate(this.#turn);
    this.#timer = null;
    this.#turn = null;
    this.#armedFor = Number.POSITIVE_INFINITY;
  }

  #ring(): void {
    this.#disarm();
    const time = now();
    try {
      for (let alarm = this.#heap.first(); alarm !== null && alarm.priority <= time; alarm = this.#heap.first()) {
        this.#heap.remove(alarm);
        alarm.ring();
      }
    } finally {
      // One that throws must not silence all others.
      this.#arm();
    }
  }
}

/** A Node timer may be so much late. */
const EARLY_US = 2000;
const MOST_MS = 86_400_000;
/** A turn of the event loop that has nothing to do is shorter. */
const IDLE_TURN_US = 50;

function now(): number {
  return performance.now() * 1000;
}
