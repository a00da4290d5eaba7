import {
  type ArrivalBatch,
  BATCH_SIZE,
  type TraceFunction,
  type TraceFunctionInput,
  type TraceSource,
  traceFunction,
} from './trace-source.js';

/** A trace that a program made: arrivals as pairs of a time (µs since the beginning, ascending) and the name of a function. */
export class ArrayTrace implements TraceSource {
  readonly functions: readonly TraceFunction[];
  readonly #atUs: Float64Array;
  readonly #fn: Uint32Array;

  constructor(functions: readonly TraceFunctionInput[], arrivals: Iterable<readonly [number, string]>) {
    this.functions = functions.map(traceFunction);
    const index = new Map(this.functions.map(({ name }, i) => [name, i]));
    const all = [...arrivals];
    this.#atUs = Float64Array.from(all, ([at]) => {
      if (!Number.isSafeInteger(at) || at < 0) throw new TypeError(`${at} is not a whole number of µs from 0`);
      return at;
    });
    this.#fn = Uint32Array.from(all, ([, name]) => {
      const place = index.get(name);
      if (place === undefined) throw new TypeError(`there is no function "${name}"`);
      return place;
    });
  }

  async *arrivals(): AsyncGenerator<ArrivalBatch> {
    for (let from = 0; from < this.#fn.length; from += BATCH_SIZE) {
      const to = Math.min(from + BATCH_SIZE, this.#fn.length);
      yield { count: to - from, atUs: this.#atUs.subarray(from, to), fn: this.#fn.subarray(from, to) };
    }
  }
}
