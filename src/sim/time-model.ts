import {
  anyOf,
  type ContainerState,
  type Device,
  type DeviceTimings,
  IluvatarError,
  logNormalUs,
  measuredCreations,
  measuredCreationUs,
  seededRandom,
} from '../core/index.js';
import type { TraceFunction } from '../traces/trace-source.js';

/**
 * How long things take. A duration is drawn from the number of the container or of the attempt, never from the order of the events: two policies
 * that are compared on one seed see the same run of the same arrival, so that what differs between them is their own doing.
 */
export interface TimeModel {
  /** Of container number `id`; whole µs. */
  creationUs(fn: TraceFunction, device: Device, id: number): number;
  /** Inside the function; `id` is the number of the invocation. */
  runUs(fn: TraceFunction, device: Device, state: ContainerState, id: number): number;
}

export const TIME_MODELS = ['constant', 'log-normal', 'registration', 'measured'] as const;
export type TimeModelName = (typeof TIME_MODELS)[number];

/** Exactly what the trace says: a run takes its warm time, a creation what a cold invocation takes beyond that. */
export class ConstantTimes implements TimeModel {
  creationUs(fn: TraceFunction, device: Device): number {
    return meanCreationUs(fn, device);
  }

  runUs(fn: TraceFunction, device: Device): number {
    return warmUs(fn, device);
  }
}

/** Around the trace's times as means, which stay what the trace says. */
export class LogNormalTimes implements TimeModel {
  readonly #sigma: number;
  readonly #seed: number;

  /** `sigma` of the logarithm: 0.25 varies by about a quarter. */
  constructor(sigma: number, seed: number) {
    if (!(sigma >= 0 && sigma <= 5)) throw new IluvatarError('invalid', `sigma must be from 0 to 5, not ${sigma}`);
    this.#sigma = sigma;
    this.#seed = seed;
  }

  creationUs(fn: TraceFunction, device: Device, id: number): number {
    return this.#draw(meanCreationUs(fn, device), STREAM.creation, id);
  }

  runUs(fn: TraceFunction, device: Device, _state: ContainerState, id: number): number {
    return this.#draw(warmUs(fn, device), STREAM.run, id);
  }

  #draw(mean: number, stream: number, id: number): number {
    return mean === 0 ? 0 : logNormalUs(mean, this.#sigma, seededRandom(this.#seed + stream, id));
  }
}

/** One of the durations that a function was measured with, each as likely as the others; the trace's times where there are none. */
export class MeasuredTimes implements TimeModel {
  readonly #timings: (fn: TraceFunction, device: Device) => DeviceTimings | null;
  readonly #seed: number;

  constructor(timings: (fn: TraceFunction, device: Device) => DeviceTimings | null, seed: number) {
    this.#timings = timings;
    this.#seed = seed;
  }

  creationUs(fn: TraceFunction, device: Device, id: number): number {
    const timings = this.#timings(fn, device);
    const pairs = timings === null ? 0 : measuredCreations(timings);
    if (timings === null || pairs === 0) return meanCreationUs(fn, device);
    return measuredCreationUs(timings, this.#index(pairs, STREAM.creation, id));
  }

  runUs(fn: TraceFunction, device: Device, state: ContainerState, id: number): number {
    const timings = this.#timings(fn, device);
    const fitting = timings === null ? [] : state === 'cold' ? timings.coldRunUs : timings.warmRunUs;
    if (fitting.length === 0) return warmUs(fn, device);
    return Math.round(fitting[this.#index(fitting.length, STREAM.run, id)] as number);
  }

  #index(length: number, stream: number, id: number): number {
    return anyOf(length, seededRandom(this.#seed + stream, id));
  }
}

/** Far from each other and from the small seeds that people choose. */
const STREAM = { creation: 0x1000_0000_0000, run: 0x2000_0000_0000 };

/** The function's warm time on this device; µs. */
export function warmUs(fn: TraceFunction, device: Device): number {
  return device === 'gpu' ? (fn.gpuWarmUs ?? fn.warmUs) : fn.warmUs;
}

function meanCreationUs(fn: TraceFunction, device: Device): number {
  const cold = device === 'gpu' ? (fn.gpuColdUs ?? fn.coldUs) : fn.coldUs;
  return Math.max(0, cold - warmUs(fn, device));
}
