import { IluvatarError } from '../core/index.js';
import { BatchBuilder } from './batch-builder.js';
import type { ArrivalBatch, TraceFunction, TraceSource } from './trace-source.js';

/** Factors; 1 = as it is. */
export interface TraceScale {
  /** Times between arrivals: 2 = half the rate. */
  readonly time: number;
  /** Times inside functions. */
  readonly warm: number;
  /** What a cold invocation takes beyond a warm one. */
  readonly cold: number;
  /** Most of that, after the factor; µs. */
  readonly coldMaxUs: number;
  /** Added to the memory of each: what its runtime needs beside what the function did; MiB. */
  readonly memoryExtraMb: number;
  /** The least memory of each after that; MiB. */
  readonly memoryMinMb: number;
}

export const UNSCALED: TraceScale = {
  time: 1,
  warm: 1,
  cold: 1,
  coldMaxUs: Number.POSITIVE_INFINITY,
  memoryExtraMb: 0,
  memoryMinMb: 1,
};

/** A trace with its times stretched: one that was recorded on a large machine is not always to be played on a small one as it is.. */
export class ScaledTrace implements TraceSource {
  readonly functions: readonly TraceFunction[];
  readonly #source: TraceSource;
  readonly #time: number;

  constructor(source: TraceSource, scale: TraceScale) {
    for (const [name, factor] of Object.entries(scale)) {
      if (!(factor >= 0) || (name === 'time' && (factor === 0 || !Number.isFinite(factor)))) {
        throw new IluvatarError('invalid', `a trace cannot be scaled by ${factor} (${name})`);
      }
    }
    this.#source = source;
    this.#time = scale.time;
    this.functions = source.functions.map((fn) => scaled(fn, scale));
  }

  async *arrivals(): AsyncGenerator<ArrivalBatch> {
    if (this.#time === 1) {
      yield* this.#source.arrivals();
      return;
    }
    const batch = new BatchBuilder();
    for await (const { count, atUs, fn } of this.#source.arrivals()) {
      for (let i = 0; i < count; i++) {
        batch.add(Math.round((atUs[i] as number) * this.#time), fn[i] as number);
        if (!batch.full) continue;
        yield batch;
        batch.count = 0;
      }
    }
    if (batch.count > 0) yield batch;
  }
}

function scaled(fn: TraceFunction, scale: TraceScale): TraceFunction {
  const { time, warm, cold, coldMaxUs } = scale;
  const coldOf = (warmUs: number, coldUs: number): number =>
    Math.round(warmUs * warm + Math.min(coldMaxUs, Math.max(0, coldUs - warmUs) * cold));
  const { warmUs, coldUs, gpuWarmUs, gpuColdUs, meanIatUs } = fn;
  return {
    ...fn,
    memoryMb: Math.max(scale.memoryMinMb, fn.memoryMb + scale.memoryExtraMb),
    warmUs: Math.round(warmUs * warm),
    coldUs: coldOf(warmUs, coldUs),
    gpuWarmUs: gpuWarmUs === null ? null : Math.round(gpuWarmUs * warm),
    gpuColdUs: gpuColdUs === null ? null : coldOf(gpuWarmUs ?? warmUs, gpuColdUs),
    meanIatUs: meanIatUs === null ? null : Math.round(meanIatUs * time),
    timings: warm === 1 && cold === 1 && coldMaxUs === Number.POSITIVE_INFINITY ? fn.timings : null,
  };
}
