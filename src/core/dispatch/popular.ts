import type { Device } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import type { Invocation, Outcome } from '../invocation.js';
import { numberOf, type PolicyEntry, type PolicyParameter } from '../policy.js';
import type { DeviceLoads, DispatchPolicy } from './dispatch-policy.js';
import { completionUs, least } from './estimates.js';
import { FunctionStates } from './function-states.js';
import { LearningDispatch } from './learning-dispatch.js';
import { Trials } from './trials.js';

/** Where an invocation goes, given its function's share of all, this one included. */
export type PopularityRule = (
  share: number,
  fn: FunctionRecord,
  devices: readonly Device[],
  loads: DeviceLoads,
) => Device;

/**
 * By popularity: invocations of the function over invocations of all functions that can use several devices, since each was registered. Counts are whole
 * numbers and a forgotten function takes its own along, so the shares of those that stay always sum to 1.
 */
export class PopularityDispatch extends LearningDispatch {
  readonly #rule: PopularityRule;
  readonly #trials: Trials | null;
  readonly #counts = new FunctionStates(() => ({ invocations: 0 }));
  #total = 0;

  constructor(rule: PopularityRule, trials: Trials | null = null) {
    super();
    this.#rule = rule;
    this.#trials = trials;
  }

  protected override decide(fn: FunctionRecord, devices: readonly Device[], loads: DeviceLoads): Device {
    const count = this.#counts.of(fn);
    return this.#rule(++count.invocations / ++this.#total, fn, devices, loads);
  }

  override ended(invocation: Invocation, outcome: Outcome): void {
    this.#trials?.ended(invocation, outcome);
  }

  override forget(fn: FunctionRecord): void {
    this.#total -= this.#counts.peek(fn)?.invocations ?? 0;
    this.#counts.forget(fn);
    this.#trials?.forget(fn);
  }

  report(): unknown {
    return { total: this.#total, invocations: this.#counts.mapped(({ invocations }) => invocations) };
  }
}

function threshold(meaning: string): PolicyParameter {
  return { name: 'share', unit: 'ratio', default: 0.15, min: 0, max: 1, meaning };
}

const described = {
  family: 'dispatch',
  cost: 'O(1)',
} as const;

export const popular: PolicyEntry<DispatchPolicy> = {
  ...described,
  name: 'popular',
  optimises: 'warm starts on the GPU: it is for the functions that come most often',
  parameters: [threshold('Share of all invocations from which a function runs on the GPU')],
  source: 'Ilúvatar, enqueueing policy "Popular"',
  create: (parameters) => {
    const from = numberOf(parameters, 'share');
    return new PopularityDispatch((share) => (share < from ? 'cpu' : 'gpu'));
  },
};

export const least_popular: PolicyEntry<DispatchPolicy> = {
  ...described,
  name: 'least_popular',
  optimises: 'a short queue on the GPU: it is for the functions that come least often',
  parameters: [threshold('Share of all invocations above which a function runs on the CPU')],
  source: 'Ilúvatar, enqueueing policy "LeastPopular"',
  create: (parameters) => {
    const most = numberOf(parameters, 'share');
    return new PopularityDispatch((share) => (share > most ? 'cpu' : 'gpu'));
  },
};

export const popular_est_time: PolicyEntry<DispatchPolicy> = {
  ...described,
  name: 'popular_est_time',
  optimises: 'time to the answer, of the functions that come most often',
  parameters: [threshold('Share of all invocations from which a function may run on the GPU')],
  cost: 'O(1), and one estimate of each queue',
  source: 'Ilúvatar, enqueueing policy "PopularEstTimeDispatch"',
  create: (parameters) => {
    const from = numberOf(parameters, 'share');
    const trials = new Trials();
    return new PopularityDispatch((share, fn, devices, loads) => {
      if (share < from) return 'cpu';
      const times = devices.map((device) => completionUs(fn, device, loads));
      return trials.choose(fn, devices, times) ?? least(devices, times);
    }, trials);
  },
};

export const popular_queue_len: PolicyEntry<DispatchPolicy> = {
  ...described,
  name: 'popular_queue_len',
  optimises: 'warm starts on the GPU, as long as its queue is short',
  parameters: [
    threshold('Share of all invocations from which a function may run on the GPU'),
    { name: 'longestQueue', unit: 'invocations', default: 2, min: 0, meaning: 'With more queued for the GPU, the CPU' },
  ],
  source: 'Ilúvatar, enqueueing policy "PopularQueueLenDispatch"',
  create: (parameters) => {
    const from = numberOf(parameters, 'share');
    const longest = numberOf(parameters, 'longestQueue');
    return new PopularityDispatch((share, _fn, _devices, loads) =>
      share < from || loads.queueLength('gpu') > longest ? 'cpu' : 'gpu',
    );
  },
};
