import type { Device } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import type { Invocation, Outcome } from '../invocation.js';
import { numberOf, type PolicyEntry } from '../policy.js';
import type { Random } from '../random.js';
import type { DeviceLoads, DispatchPolicy } from './dispatch-policy.js';
import { bounded, endToEndUs, lessonOf } from './estimates.js';
import { FunctionStates } from './function-states.js';
import { EstimatingDispatch } from './learning-dispatch.js';

interface State {
  /** Sum 1. */
  readonly weights: Record<Device, number>;
  /** What it keeps to. */
  device: Device;
  /** Its weight's factors since it was drawn, multiplied. */
  kept: number;
  choices: number;
}

/** No weight falls below, so that one that was beaten for long is back within few steps when the devices change places. */
const LEAST_WEIGHT = 0.001;

/**
 * Multiplicative weights update (Arora, Hazan, Kale: The multiplicative weights update method, Theory of Computing 8, 2012, section 2; after Littlestone
 * and Warmuth, 1994): a function has a weight for each device, and each ended invocation changes them by
 *
 *   w_j ← w_j · (1 − eta · m_j),   m_j = (t_j − t) / t_j in [0, 1),   t = the lesser of all t_j
 *
 * t_j is the time from enqueueing to the answer (µs): of the device that ran it, as it just was; of the others, the lesser of latest and average, so that
 * one slow start there is not held against them for ever. A failure costs 1 on its device.
 *
 * The next device is drawn by weight; to spare warm containers from needless changes it is kept with a probability of the product of its factors since it
 * was drawn, and drawn anew otherwise, which gives each device the same share (shrinking dartboard: Geulen, Vöcking, Winkler, COLT 2010). What is known of
 * a device must not grow old: the t-th choice of a function is uniform with probability `exploration` / sqrt(t).
 */
export class MwuaDispatch extends EstimatingDispatch {
  readonly #eta: number;
  readonly #exploration: number;
  readonly #random: Random;
  readonly #functions = new FunctionStates<State>(() => ({
    weights: { cpu: 0.5, gpu: 0.5 },
    device: 'cpu',
    kept: 1,
    choices: 0,
  }));

  constructor(eta: number, exploration: number, random: Random) {
    super();
    this.#eta = eta;
    this.#exploration = exploration;
    this.#random = random;
  }

  protected override decide(fn: FunctionRecord, devices: readonly Device[], loads: DeviceLoads, now: number): Device {
    // Before the trials, which are the first that the weights learn from.
    this.#functions.of(fn);
    return super.decide(fn, devices, loads, now);
  }

  protected override compare(fn: FunctionRecord, devices: readonly Device[]): Device {
    const state = this.#functions.of(fn);
    state.choices++;
    if (this.#random() < this.#exploration / Math.sqrt(state.choices)) {
      return devices[Math.floor(this.#random() * devices.length)] as Device;
    }
    if (this.#random() < state.kept) return state.device;
    state.device = this.#random() < state.weights.cpu ? 'cpu' : 'gpu';
    state.kept = 1;
    return state.device;
  }

  override ended(invocation: Invocation, outcome: Outcome, now: number): void {
    super.ended(invocation, outcome, now);
    const lesson = lessonOf(invocation, outcome);
    const { fn, device } = invocation;
    const state = this.#functions.peek(fn);
    if (lesson === 'none' || state === null) return;
    const other: Device = device === 'cpu' ? 'gpu' : 'cpu';
    if (lesson === 'failure') {
      this.#update(state, device, 1, 0);
      return;
    }
    const ownUs = endToEndUs(invocation, now);
    const { latest, average } = fn.stats.of(other).e2e;
    const otherUs = bounded(Math.min(latest, average)) || ownUs;
    const leastUs = Math.min(ownUs, otherUs);
    this.#update(state, device, 1 - leastUs / ownUs, 1 - leastUs / otherUs);
  }

  override forget(fn: FunctionRecord): void {
    super.forget(fn);
    this.#functions.forget(fn);
  }

  report(): unknown {
    return this.#functions.mapped(({ weights, device, choices }) => ({ weights: { ...weights }, device, choices }));
  }

  #update(state: State, device: Device, ownCost: number, otherCost: number): void {
    const own = 1 - this.#eta * ownCost;
    const other = 1 - this.#eta * otherCost;
    const { weights } = state;
    state.kept *= device === state.device ? own : other;
    weights.cpu *= device === 'cpu' ? own : other;
    weights.gpu *= device === 'cpu' ? other : own;
    const share = weights.cpu / (weights.cpu + weights.gpu);
    weights.cpu = Math.min(1 - LEAST_WEIGHT, Math.max(LEAST_WEIGHT, share));
    weights.gpu = 1 - weights.cpu;
  }
}

export const mwua: PolicyEntry<DispatchPolicy> = {
  name: 'mwua',
  family: 'dispatch',
  optimises: 'latency, learnt by trying: shifts between devices as their times change',
  parameters: [
    { name: 'eta', unit: 'ratio', default: 0.3, min: 0, max: 0.5, meaning: 'How much one step changes a weight' },
    {
      name: 'exploration',
      unit: 'ratio',
      default: 0.5,
      min: 0,
      max: 1,
      meaning: 'Chance of a uniform choice at the first; falls with the root of the number of choices',
    },
  ],
  cost: 'O(1)',
  source: 'Arora, Hazan, Kale, Theory of Computing 8 (2012); Littlestone, Warmuth (1994)',
  create: (parameters, context) =>
    new MwuaDispatch(numberOf(parameters, 'eta'), numberOf(parameters, 'exploration'), context.random),
};
