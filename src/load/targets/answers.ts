import type { InvocationEnergy, InvokeResult } from '../../config/api.js';
import { type ErrorClass, IluvatarError } from '../../core/errors.js';
import type { LoadAnswer } from '../target.js';

/** What the library's result or error is as the answer of a target. */

export function answerOf(result: InvokeResult, worker: string): LoadAnswer {
  const { phases } = result;
  return {
    outcome: 'ok',
    error: '',
    result: JSON.stringify(result.result ?? null),
    tid: result.tid,
    state: result.containerState,
    queueUs: phases.queueUs,
    createUs: phases.startUs,
    runUs: phases.runUs,
    ...energyOf(result.energy),
    attempts: result.attempts,
    worker,
    backend: '',
    device: '',
  };
}

export function failureOf(errorClass: ErrorClass, error: string, tid: string, worker = '', attempts = 0): LoadAnswer {
  return {
    outcome: errorClass,
    error,
    result: null,
    tid,
    state: null,
    queueUs: -1,
    createUs: -1,
    runUs: -1,
    cpuUs: -1,
    energyUj: -1,
    attempts,
    worker,
    backend: '',
    device: '',
  };
}

/** In whole µs and µJ; -1 = not said. */
export function energyOf(energy: InvocationEnergy | undefined): Pick<LoadAnswer, 'cpuUs' | 'energyUj'> {
  const { cpuMs = null, joules = null } = energy ?? {};
  return {
    cpuUs: cpuMs === null ? -1 : Math.round(1000 * cpuMs),
    energyUj: joules === null ? -1 : Math.round(1e6 * joules),
  };
}

/** Of whatever a call was rejected with: what is no IluvatarError is a defect, and an answer all the same. */
export function answerOfError(error: unknown, tid: string, worker: string): LoadAnswer {
  if (!(error instanceof IluvatarError)) return failureOf('internal', String(error), tid, worker);
  const { attempts = 0, energy } = error.details;
  return { ...failureOf(error.errorClass, error.message, tid, worker, attempts), ...energyOf(energy) };
}
