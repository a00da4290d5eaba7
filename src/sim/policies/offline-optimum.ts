import type { Clock, Container, EngineOptions, EvictionPolicy } from '../../core/index.js';
import type { ArrivalBatch, TraceSource } from '../../traces/trace-source.js';

/**
 * The eviction policy that knows the future: a bound to compare the others with. After Belady (IBM Systems Journal 5(2), 1966), made aware of sizes greedily: the victim
 * is the container with the greatest product of the time until it is needed (µs) and its memory (MiB) to the power of `sizeExponent`. Of a function with m idle containers one is spare until
 * m of them are needed, so its time is that of the m-th next arrival. A function that never comes again goes first, the largest of these before all others.
 * Where invocations queue, those that wait come before those that arrive, in the order of their arrival, and time counts from the arrival of the one that has
 * waited longest: containers are needed in that order, however late everything is.
 *
 * Which exponent is best depends on the trace: 0 counts arrivals, 1 counts memory. A bound may try several and keep the best, since it knows how each would end.
 *
 * Greedy, so not the true optimum, which is NP-hard for objects of different sizes (Chrobak et al., Algorithmica 2012); and it makes no containers ahead of
 * time, so a policy that does may have fewer cold starts. It looks at every function with an idle container for each victim: O(f). It needs all arrivals in memory,
 * 8 bytes each.
 *
 * The first half of the file is the policy; what it knows of the future is the other.
 */
export class OfflineOptimum implements EvictionPolicy {
  readonly #future: KnownFuture;
  readonly #sizeExponent: number;
  /** Idle containers of each function, by its index. */
  readonly #idle: Container[][] = [];
  /** Functions that have idle containers. */
  readonly #present: number[] = [];

  constructor(future: KnownFuture, sizeExponent: number) {
    this.#future = future;
    this.#sizeExponent = sizeExponent;
  }

  idle(container: Container): void {
    const { index } = container.fn;
    let group = this.#idle[index];
    if (group === undefined) {
      group = [];
      this.#idle[index] = group;
    }
    if (group.length === 0) this.#present.push(index);
    container.evictionNode = group.length;
    group.push(container);
  }

  leave(container: Container): void {
    const { index } = container.fn;
    const place = container.evictionNode;
    const group = this.#idle[index];
    if (typeof place !== 'number' || group === undefined) return;
    container.evictionNode = null;
    const last = group.pop() as Container;
    if (last !== container) {
      group[place] = last;
      last.evictionNode = place;
    }
    if (group.length > 0) return;
    const at = this.#present.indexOf(index);
    const other = this.#present.pop() as number;
    if (other !== index) this.#present[at] = other;
  }

  victim(): Container | null {
    const future = this.#future;
    let reference = future.now;
    for (const index of this.#present) {
      const [container] = this.#idle[index] as [Container];
      const { queued } = container.fn;
      if (queued > 0) reference = Math.min(reference, future.arrival(index, queued, 1));
    }
    let victim: Container | null = null;
    let greatest = -1;
    for (const index of this.#present) {
      const group = this.#idle[index] as Container[];
      const container = group[group.length - 1] as Container;
      const { fn, memoryMb } = container;
      const neededAt = future.arrival(index, fn.queued, group.length);
      // Among those never needed again a product would tell none apart.
      const value =
        neededAt === Number.POSITIVE_INFINITY
          ? NEVER * memoryMb
          : (neededAt - reference) * memoryMb ** this.#sizeExponent;
      if (value <= greatest) continue;
      greatest = value;
      victim = container;
    }
    return victim;
  }

  expired(): null {
    return null;
  }

  nextExpiry(): number {
    return Number.POSITIVE_INFINITY;
  }
}

/** Above every product of a time and a memory, however often it is multiplied by a memory itself. */
const NEVER = 2 ** 200;

/** When each function of a trace arrives. Play `trace` with engines whose options went through `adapt`: one at a time. */
export class KnownFuture {
  /** The trace itself; it notes when it begins. */
  readonly trace: TraceSource;
  /** Arrivals of function f, ascending: `#times[#first[f] .. #first[f + 1])`. */
  readonly #times: Float64Array;
  readonly #first: Uint32Array;
  /** The first of each that is not over. */
  #next: Uint32Array;
  #clock: Clock = { now: () => 0 };
  #beganAt: number | null = null;

  private constructor(trace: TraceSource, times: Float64Array, first: Uint32Array) {
    this.#times = times;
    this.#first = first;
    this.#next = first.slice();
    this.trace = { functions: trace.functions, arrivals: () => this.#begin(trace) };
  }

  /** Reads the whole trace. */
  static async of(trace: TraceSource): Promise<KnownFuture> {
    const counts = new Uint32Array(trace.functions.length + 1);
    for await (const { count, fn } of trace.arrivals()) {
      for (let i = 0; i < count; i++) {
        const next = (fn[i] as number) + 1;
        counts[next] = (counts[next] as number) + 1;
      }
    }
    for (let i = 1; i < counts.length; i++) counts[i] = (counts[i] as number) + (counts[i - 1] as number);
    const times = new Float64Array(counts[counts.length - 1] as number);
    const free = counts.slice();
    for await (const { count, fn, atUs } of trace.arrivals()) {
      for (let i = 0; i < count; i++) {
        const index = fn[i] as number;
        const at = free[index] as number;
        times[at] = atUs[i] as number;
        free[index] = at + 1;
      }
    }
    return new KnownFuture(trace, times, counts);
  }

  /** Has the engine evict by it: the containers of the devices that `wanted` says yes to (-1 = the CPU). */
  adapt(options: EngineOptions, sizeExponent: number, wanted: (device: number) => boolean): EngineOptions {
    this.#clock = options.clock;
    return {
      ...options,
      eviction: (device) => (wanted(device) ? new OfflineOptimum(this, sizeExponent) : options.eviction(device)),
    };
  }

  /** Since the beginning of the trace; µs. */
  get now(): number {
    return this.#beganAt === null ? 0 : this.#clock.now() - this.#beganAt;
  }

  /**
   * When the `nth` (from 1) of the invocations of the function with this index that still need a container arrives, or has arrived: the last `queued` that came wait.
   * Infinity = so many will not come.
   */
  arrival(index: number, queued: number, nth: number): number {
    const { now } = this;
    const first = this.#first[index] as number;
    const end = this.#first[index + 1] as number;
    let next = this.#next[index] as number;
    while (next < end && (this.#times[next] as number) <= now) next++;
    this.#next[index] = next;
    const at = Math.max(first, next - queued) + nth - 1;
    return at < end ? (this.#times[at] as number) : Number.POSITIVE_INFINITY;
  }

  async *#begin(trace: TraceSource): AsyncGenerator<ArrivalBatch> {
    this.#beganAt = this.#clock.now();
    this.#next = this.#first.slice();
    yield* trace.arrivals();
  }
}
