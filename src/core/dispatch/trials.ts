import type { Device } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import type { Invocation, Outcome } from '../invocation.js';
import { lessonOf } from './estimates.js';
import { FunctionStates } from './function-states.js';

interface Trial {
  running: boolean;
  failures: number;
  /** Not before this many choices. */
  notBefore: number;
}

interface State {
  choices: number;
  readonly trials: Record<Device, Trial>;
}

/** Failures above which the time between two trials grows no longer: about a million choices. */
const MOST_DOUBLINGS = 20;

/**
 * How a function's times on a device become known when it never ran there: the device is tried before any other, by one invocation at a time, so that a
 * burst does not go to what may be the slow one. After a trial that failed, the next waits for twice as many choices as the one before, so that a device on
 * which a function cannot run does not take every invocation for ever. O(1).
 */
export class Trials {
  readonly #states = new FunctionStates<State>(() => ({ choices: 0, trials: { cpu: fresh(), gpu: fresh() } }));

  /** `times`: of each device, 0 = unknown. A device to try now; with none, the first that is known, or the first of all; null = all are known. */
  choose(fn: FunctionRecord, devices: readonly Device[], times: readonly number[]): Device | null {
    if (!times.includes(0)) return null;
    const state = this.#states.of(fn);
    const choice = state.choices++;
    for (const [index, device] of devices.entries()) {
      const trial = state.trials[device];
      if (times[index] !== 0 || trial.running || choice < trial.notBefore) continue;
      trial.running = true;
      return device;
    }
    return devices[times.findIndex((time) => time !== 0)] ?? (devices[0] as Device);
  }

  ended(invocation: Invocation, outcome: Outcome): void {
    const state = this.#states.peek(invocation.fn);
    if (state === null) return;
    const trial = state.trials[invocation.device];
    trial.running = false;
    if (lessonOf(invocation, outcome) !== 'failure') return;
    trial.failures = Math.min(MOST_DOUBLINGS, trial.failures + 1);
    trial.notBefore = state.choices + 2 ** trial.failures;
  }

  forget(fn: FunctionRecord): void {
    this.#states.forget(fn);
  }
}

function fresh(): Trial {
  return { running: false, failures: 0, notBefore: 0 };
}
