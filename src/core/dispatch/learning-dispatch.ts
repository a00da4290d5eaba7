import type { Device } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import type { Invocation, Outcome } from '../invocation.js';
import type { DeviceLoads, DispatchChoice, DispatchPolicy } from './dispatch-policy.js';
import { execUs } from './estimates.js';
import { Trials } from './trials.js';

/** A policy that keeps something of each function. */
export abstract class LearningDispatch implements DispatchPolicy {
  choose(fn: FunctionRecord, devices: readonly Device[], loads: DeviceLoads, now: number): DispatchChoice {
    // Its invocation is refused right after, and what were kept of it now would never be forgotten.
    if (fn.removed) return devices[0] as Device;
    return this.decide(fn, devices, loads, now);
  }

  ended(_invocation: Invocation, _outcome: Outcome, _now: number): void {}

  abstract forget(fn: FunctionRecord): void;

  protected abstract decide(fn: FunctionRecord, devices: readonly Device[], loads: DeviceLoads, now: number): Device;
}

/** A policy that compares estimates, and is asked to only when there is one for every device: until then, `Trials` chooses. */
export abstract class EstimatingDispatch extends LearningDispatch {
  readonly #trials = new Trials();

  protected override decide(fn: FunctionRecord, devices: readonly Device[], loads: DeviceLoads, now: number): Device {
    const times = devices.map((device) => this.estimate(fn, device, loads));
    return this.#trials.choose(fn, devices, times) ?? this.compare(fn, devices, loads, now, times);
  }

  override ended(invocation: Invocation, outcome: Outcome, _now: number): void {
    this.#trials.ended(invocation, outcome);
  }

  override forget(fn: FunctionRecord): void {
    this.#trials.forget(fn);
  }

  /** What has to be known of a device; 0 = unknown. */
  protected estimate(fn: FunctionRecord, device: Device, _loads: DeviceLoads): number {
    return execUs(fn, device);
  }

  /** `times`: the estimate of each device. */
  protected abstract compare(
    fn: FunctionRecord,
    devices: readonly Device[],
    loads: DeviceLoads,
    now: number,
    times: readonly number[],
  ): Device;
}
