import { type Container, type ContainerFailure, type Invocation, seededRandom } from '../core/index.js';
import type { TraceFunction } from '../traces/trace-source.js';
import type { ContainerModel, RunFate } from './container-model.js';
import type { TimeModel } from './time-model.js';

/** How often things go wrong: chances from 0 to 1. */
export interface FailureRates {
  /** A container cannot be made, and another attempt is worth it. */
  readonly creation: number;
  /** A container dies in the middle of a run. */
  readonly crash: number;
  /** A run ends for want of memory, and its container with it. */
  readonly outOfMemory: number;
  /** The function itself fails. */
  readonly userError: number;
}

export const NO_FAILURES: FailureRates = { creation: 0, crash: 0, outOfMemory: 0, userError: 0 };

const CREATION_FAILED: ContainerFailure = {
  errorClass: 'start_failed',
  message: 'its container could not be made',
  details: null,
  transient: true,
};
const CRASHED: ContainerFailure = { errorClass: 'crashed', message: 'it died', details: null, transient: true };

const EXIT: RunFate = { kind: 'exit', failure: CRASHED };
const OUT_OF_MEMORY: RunFate = { kind: 'answer', errorClass: 'out_of_memory' };
const USER_ERROR: RunFate = { kind: 'answer', errorClass: 'user_error' };

/** Far from the streams of durations. */
const STREAM = { creation: 0x3000_0000_0000, run: 0x4000_0000_0000 };
/** Attempts of one invocation draw from streams of their own. */
const MOST_ATTEMPTS = 64;

/** Containers that behave as the functions of a trace do. */
export class TraceModel implements ContainerModel {
  readonly #functions: readonly TraceFunction[];
  readonly #times: TimeModel;
  readonly #failures: FailureRates;
  readonly #runsFail: boolean;
  readonly #destructionUs: number;
  readonly #seed: number;

  /** `functions` by the index that the engine gave them. */
  constructor(
    functions: readonly TraceFunction[],
    times: TimeModel,
    failures: FailureRates,
    destructionUs: number,
    seed: number,
  ) {
    this.#functions = functions;
    this.#times = times;
    this.#failures = failures;
    this.#runsFail = failures.crash + failures.outOfMemory + failures.userError > 0;
    this.#destructionUs = destructionUs;
    this.#seed = seed;
  }

  creationUs(container: Container): number {
    return this.#times.creationUs(this.#of(container), container.device, container.id);
  }

  creationFailure(container: Container): ContainerFailure | null {
    const { creation } = this.#failures;
    if (creation === 0) return null;
    return seededRandom(this.#seed + STREAM.creation, container.id)() < creation ? CREATION_FAILED : null;
  }

  runUs(container: Container, invocation: Invocation): number {
    return this.#times.runUs(this.#of(container), container.device, container.state, invocation.id);
  }

  runFate(_container: Container, invocation: Invocation): RunFate | null {
    if (!this.#runsFail) return null;
    const { crash, outOfMemory, userError } = this.#failures;
    const stream = invocation.id * MOST_ATTEMPTS + Math.min(invocation.attempts, MOST_ATTEMPTS - 1);
    const chance = seededRandom(this.#seed + STREAM.run, stream)();
    if (chance < crash) return EXIT;
    if (chance < crash + outOfMemory) return OUT_OF_MEMORY;
    return chance < crash + outOfMemory + userError ? USER_ERROR : null;
  }

  destructionUs(): number {
    return this.#destructionUs;
  }

  #of(container: Container): TraceFunction {
    return this.#functions[container.fn.index] as TraceFunction;
  }
}
