import type { Device } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import { numberOf, type PolicyEntry, type PolicyParameters } from '../policy.js';
import type { DeviceLoads, DispatchPolicy } from './dispatch-policy.js';
import { bounded, soonest } from './estimates.js';
import { FunctionStates } from './function-states.js';
import { type Admission, admissions, type GreedyItem, greedyOrder, nextSize } from './greedy-admission.js';
import { EstimatingDispatch } from './learning-dispatch.js';

interface State {
  /** Place in the set of those that may use the GPU, the greatest gain first; -1 = not in it. */
  position: number;
}

/**
 * Greedy weights: those functions get the GPU that gain most by it,
 *
 *   gain = (execution time on the CPU − on the GPU) / time between arrivals        (seconds saved a second)
 *
 * as a knapsack is filled greedily by value. The set is computed anew when `recomputeMs` have passed, at the next choice: O(f log f) then, O(1) otherwise.
 * How many of them it takes is `allow` (greedy-admission.ts). The first half of the set always runs on the GPU, or all of it with `fixedAssignment`; the
 * rest of the set goes where it is answered first; all others run on the CPU. A function that gains nothing is never in the set.
 */
export class GreedyWeightsDispatch extends EstimatingDispatch {
  readonly #parameters: PolicyParameters;
  readonly #admit: Admission;
  readonly #fixedAssignment: boolean;
  readonly #periodUs: number;
  readonly #functions = new FunctionStates<State>(() => ({ position: -1 }));
  #set: readonly GreedyItem[] = [];
  /** Of the set, when it grows and shrinks by steps. */
  #size: number;
  #recomputeAt = Number.NEGATIVE_INFINITY;
  #choices = 0;

  constructor(parameters: PolicyParameters) {
    super();
    this.#parameters = parameters;
    this.#admit = admissions[parameters['allow'] as keyof typeof admissions];
    this.#fixedAssignment = parameters['fixedAssignment'] === true;
    this.#periodUs = numberOf(parameters, 'recomputeMs') * 1000;
    this.#size = numberOf(parameters, 'firstSize');
  }

  protected override decide(fn: FunctionRecord, devices: readonly Device[], loads: DeviceLoads, now: number): Device {
    this.#functions.of(fn);
    this.#choices++;
    if (now >= this.#recomputeAt) this.#recompute(loads, now);
    return super.decide(fn, devices, loads, now);
  }

  protected override compare(fn: FunctionRecord, devices: readonly Device[], loads: DeviceLoads): Device {
    const { position } = this.#functions.of(fn);
    if (position < 0) return 'cpu';
    if (this.#fixedAssignment || position <= this.#set.length / 2) return 'gpu';
    return soonest(fn, devices, loads);
  }

  override forget(fn: FunctionRecord): void {
    super.forget(fn);
    this.#functions.forget(fn);
    this.#set = this.#set.filter((item) => item.fn !== fn);
  }

  report(): unknown {
    const set = this.#set.map(({ fn, gain, load }) => ({ function: fn.key, gain, load }));
    return { set, size: this.#size };
  }

  #recompute(loads: DeviceLoads, now: number): void {
    this.#recomputeAt = now + this.#periodUs;
    const slots = Math.max(1, bounded(loads.parallelism('gpu')));
    const demand = {
      slots,
      queueLength: loads.queueLength('gpu'),
      throughput: bounded(loads.throughput('gpu')),
      backlogS: bounded(loads.queuedUs('gpu')) / slots / 1e6,
      arrivals: this.#choices,
    };
    this.#choices = 0;
    this.#size = nextSize(this.#size, demand, this.#parameters);
    const order = greedyOrder([...this.#functions].map(([fn]) => fn));
    this.#set = order.slice(0, this.#admit(order, demand, this.#parameters, this.#size));
    for (const [, state] of this.#functions) state.position = -1;
    for (const [position, { fn }] of this.#set.entries()) this.#functions.of(fn).position = position;
  }
}

export const greedy_weights: PolicyEntry<DispatchPolicy> = {
  name: 'greedy_weights',
  family: 'dispatch',
  optimises: 'execution time saved by the GPU, given to the functions that gain most a second',
  parameters: [
    {
      name: 'allow',
      unit: 'name',
      default: 'top_quarter',
      choices: Object.keys(admissions),
      meaning: 'How many functions may use the GPU',
    },
    { name: 'recomputeMs', unit: 'ms', default: 3000, min: 0, meaning: 'From one computation of the set to the next' },
    { name: 'fixedAssignment', unit: 'boolean', default: false, meaning: 'All of the set runs on the GPU, always' },
    { name: 'allowLoad', unit: 's/s', default: 1, min: 0, meaning: 'GPU time a second that `load_limit` gives away' },
    { name: 'cacheSize', unit: 'functions', default: 5, min: 0, meaning: 'Size of the set for `fixed`' },
    { name: 'longQueue', unit: 'invocations', default: 10, min: 0, meaning: 'Above it, `queue_tput` limits the set' },
    { name: 'firstSize', unit: 'functions', default: 5, min: 1, meaning: 'Size of the set for `incremental` at first' },
    { name: 'growThroughput', unit: 's/s', default: 0.6, min: 0, meaning: 'From it on, `incremental` grows' },
    { name: 'growBacklogS', unit: 's', default: 5, min: 0, meaning: 'GPU work queued from which it grows' },
    { name: 'shrinkThroughput', unit: 's/s', default: 0.75, min: 0, meaning: 'From it and the next on, it shrinks' },
    { name: 'shrinkBacklogS', unit: 's', default: 15, min: 0, meaning: 'GPU work queued from which it shrinks' },
  ],
  cost: 'O(1); O(f log f) once in recomputeMs',
  source: 'Ilúvatar, enqueueing policy "GreedyWeights"; greedy knapsack (Dantzig 1957)',
  create: (parameters) => new GreedyWeightsDispatch(parameters),
};
