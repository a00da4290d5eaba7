import type { FunctionGauges } from './metric.js';
import { FunctionSeries, type ObservedInvocation } from './series.js';

/** The function of an invocation, as the engine knows it: `index` is dense and may be given to another after unregistering. */
export interface ObservedFunction {
  readonly key: string;
  readonly index: number;
  readonly spec: { readonly name: string; readonly version: string };
}

/** The label of what is counted together. A function may have this name, but none has an empty version. */
const OTHER = 'other';

/**
 * Which functions have series of their own. Each costs a scraper about a hundred series, so their number has a limit: the first to be seen have them, all others are counted together. Who is
 * unregistered makes room for who is seen for the first time after that: a function that is counted with the others stays there, or its counts would be torn in two.
 */
export class FunctionPlaces {
  readonly #limit: number;
  readonly #byIndex: (FunctionSeries | undefined)[] = [];
  readonly #keys: (string | undefined)[] = [];
  readonly #byKey = new Map<string, FunctionSeries>();
  #own = 0;
  /** Invocations of functions that do not exist; the labels stay empty, or any client could make up series. */
  readonly #unknown = new FunctionSeries('', '');
  readonly #other = new FunctionSeries(OTHER, '');

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Counts a finished invocation. `fn` null = there is no such function. On the warm path: no look-up by name, nothing is made. */
  observe(result: ObservedInvocation, fn: ObservedFunction | null): void {
    if (fn === null) this.#unknown.observe(result);
    else this.#of(fn).observe(result);
  }

  /** What a registered function has got of an interval's energy; µJ. */
  energy(fn: ObservedFunction, microjoules: number): void {
    this.#of(fn).energyUj += microjoules;
  }

  /** Drops the series of an unregistered function. */
  forget(fn: ObservedFunction): void {
    const series = this.#byKey.get(fn.key);
    if (series !== undefined && series !== this.#other) this.#own--;
    this.#byKey.delete(fn.key);
    if (this.#keys[fn.index] !== fn.key) return;
    this.#keys[fn.index] = undefined;
    this.#byIndex[fn.index] = undefined;
  }

  get series(): readonly FunctionSeries[] {
    const own = [...this.#byKey.values()].filter((series) => series !== this.#other);
    return this.#byKey.size > own.length || this.#other.seen
      ? [this.#unknown, ...own, this.#other]
      : [this.#unknown, ...own];
  }

  /** Of those with a place of their own, and the sum of the others where there are any. Who has never run takes its place here. */
  gauges(functions: Iterable<FunctionGauges>): FunctionGauges[] {
    const own: FunctionGauges[] = [];
    const rest = { queued: 0, running: 0, containers: 0, functions: 0 };
    for (const fn of functions) {
      if (this.#place(`${fn.name}@${fn.version}`, fn) !== this.#other) {
        own.push(fn);
        continue;
      }
      rest.functions++;
      rest.queued += fn.queued;
      rest.running += fn.running;
      rest.containers += fn.containers;
    }
    if (rest.functions === 0) return own;
    const { queued, running, containers } = rest;
    const others = { name: OTHER, version: '', queued, running, containers, memoryMb: null, characteristics: null };
    return [...own, others];
  }

  #of(fn: ObservedFunction): FunctionSeries {
    return this.#keys[fn.index] === fn.key ? (this.#byIndex[fn.index] as FunctionSeries) : this.#adopt(fn);
  }

  /** Registering again under a name keeps its counts, whatever index the engine gave it. */
  #adopt(fn: ObservedFunction): FunctionSeries {
    const series = this.#place(fn.key, fn.spec);
    this.#byIndex[fn.index] = series;
    this.#keys[fn.index] = fn.key;
    return series;
  }

  #place(key: string, { name, version }: { name: string; version: string }): FunctionSeries {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const series = this.#own < this.#limit ? new FunctionSeries(name, version) : this.#other;
    if (series !== this.#other) this.#own++;
    this.#byKey.set(key, series);
    return series;
  }
}
