import type { Device } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import type { Invocation, Outcome } from '../invocation.js';
import { numberOf, type PolicyEntry } from '../policy.js';
import type { DispatchPolicy } from './dispatch-policy.js';
import { endToEndUs, lessonOf } from './estimates.js';
import { FunctionStates } from './function-states.js';
import { LearningDispatch } from './learning-dispatch.js';

/** A device, as one function knows it. */
interface Arm {
  /** Sent there and ended there, or still under way. */
  chosen: number;
  succeeded: number;
  failed: number;
  /** From enqueueing to the answer, over the successes; µs. */
  meanUs: number;
}

/**
 * UCB1 (Auer, Cesa-Bianchi, Fischer: Finite-time analysis of the multiarmed bandit problem, Machine Learning 47, 2002, figure 1), each function a bandit of
 * its own and each device an arm: play every arm once, then the arm j with the greatest
 *
 *   reward_j + sqrt(2 · ln n / n_j)        n_j = times it was chosen, n = Σ n_j
 *
 * The paper's rewards lie in [0, 1]; here the wish is a small latency, which has no upper bound and a scale of its own for each function. So
 *
 *   reward_j = (successes_j / endings_j) · (least mean latency of all devices / mean latency_j)
 *
 * is 1 for the fastest device, 0.5 for one half as fast, and 0 for one where everything fails; a single slow cold start among many hardly moves it. A
 * device without an ending counts 1 until there is one. What is under way counts in n_j, so that a burst is spread before the first answer.
 */
export class Ucb1Dispatch extends LearningDispatch {
  readonly #exploration: number;
  readonly #functions = new FunctionStates<Record<Device, Arm>>(() => ({ cpu: newArm(), gpu: newArm() }));

  constructor(exploration: number) {
    super();
    this.#exploration = exploration;
  }

  protected override decide(fn: FunctionRecord, devices: readonly Device[]): Device {
    const arms = this.#functions.of(fn);
    const chosen = this.#best(arms, devices);
    arms[chosen].chosen++;
    return chosen;
  }

  override ended(invocation: Invocation, outcome: Outcome, now: number): void {
    const arm = this.#functions.peek(invocation.fn)?.[invocation.device];
    if (arm === undefined) return;
    const lesson = lessonOf(invocation, outcome);
    if (lesson === 'success') arm.meanUs += (endToEndUs(invocation, now) - arm.meanUs) / ++arm.succeeded;
    else if (lesson === 'failure') arm.failed++;
    else arm.chosen--;
    // An ending that no choice belongs to must not leave more endings than choices.
    arm.chosen = Math.max(arm.chosen, arm.succeeded + arm.failed);
  }

  override forget(fn: FunctionRecord): void {
    this.#functions.forget(fn);
  }

  report(): unknown {
    return this.#functions.mapped(({ cpu, gpu }) => ({ cpu: { ...cpu }, gpu: { ...gpu } }));
  }

  #best(arms: Record<Device, Arm>, devices: readonly Device[]): Device {
    let total = 0;
    let fastestUs = Number.POSITIVE_INFINITY;
    for (const device of devices) {
      const { chosen, succeeded, meanUs } = arms[device];
      if (chosen === 0) return device;
      total += chosen;
      if (succeeded > 0 && meanUs < fastestUs) fastestUs = meanUs;
    }
    const logarithm = this.#exploration * Math.log(total);
    let best = devices[0] as Device;
    let highest = Number.NEGATIVE_INFINITY;
    for (const device of devices) {
      const index = reward(arms[device], fastestUs) + Math.sqrt(logarithm / arms[device].chosen);
      if (index <= highest) continue;
      highest = index;
      best = device;
    }
    return best;
  }
}

function reward({ succeeded, failed, meanUs }: Arm, fastestUs: number): number {
  if (succeeded === 0) return failed === 0 ? 1 : 0;
  return (succeeded / (succeeded + failed)) * (fastestUs / meanUs);
}

function newArm(): Arm {
  return { chosen: 0, succeeded: 0, failed: 0, meanUs: 0 };
}

export const ucb1: PolicyEntry<DispatchPolicy> = {
  name: 'ucb1',
  family: 'dispatch',
  optimises: 'latency, learnt by trying: few invocations go to the slower device, none is given up for ever',
  parameters: [
    {
      name: 'exploration',
      unit: 'ratio',
      default: 2,
      min: 0,
      max: 1000,
      meaning: 'Factor under the root: how much a device that was tried less is preferred',
    },
  ],
  cost: 'O(1)',
  source: 'Auer, Cesa-Bianchi, Fischer, Machine Learning 47 (2002), UCB1',
  create: (parameters) => new Ucb1Dispatch(numberOf(parameters, 'exploration')),
};
