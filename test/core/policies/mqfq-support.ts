import type { FunctionRecord } from '../../../src/core/function-record.js';
import type { Invocation } from '../../../src/core/invocation.js';
import { createPolicy, type PolicyParameters } from '../../../src/core/policy.js';
import type { MqfqQueue } from '../../../src/core/queue/mqfq/mqfq-queue.js';
import { mqfqPolicies } from '../../../src/core/queue/mqfq/policies.js';
import type { FlowReport } from '../../../src/core/queue/mqfq/report.js';
import { seededRandom } from '../../../src/core/random.js';
import { queuedInvocation, queueFunction } from '../conformance/queue-policy.js';

export type Variant = keyof typeof mqfqPolicies;

export const MS = 1000;

export function mqfq(variant: Variant, parameters: PolicyParameters = {}, parallelism = 1, seed = 1): MqfqQueue {
  return createPolicy(mqfqPolicies[variant], parameters, { random: seededRandom(seed), parallelism }) as MqfqQueue;
}

/** Drives a queue as an engine does. */
export class Driver {
  readonly queue: MqfqQueue;
  now = 0;
  #id = 0;

  constructor(queue: MqfqQueue) {
    this.queue = queue;
  }

  push(fn: FunctionRecord, count = 1): Invocation[] {
    return Array.from({ length: count }, () => {
      const invocation = queuedInvocation(fn, this.#id++, this.now);
      this.queue.push(invocation, 0, this.now);
      return invocation;
    });
  }

  one(fn: FunctionRecord): Invocation {
    return this.push(fn)[0] as Invocation;
  }

  start(invocation: Invocation): Invocation {
    this.queue.remove(invocation);
    this.queue.started(invocation, this.now);
    return invocation;
  }

  /** What is chosen is started. */
  next(device = 0): Invocation {
    const chosen = this.queue.choose(device, this.now);
    if (chosen === null) throw new Error('nothing was chosen');
    return this.start(chosen);
  }

  /** Names of the functions of the next ones that are started. */
  order(count: number): string {
    return Array.from({ length: count }, () => this.next().fn.spec.name).join(' ');
  }

  end(invocation: Invocation): void {
    this.queue.ended(invocation, this.now);
  }

  /** It has run for so long, with an answer: the function learns from it after the queue has been told, as in an engine. */
  answer(invocation: Invocation): void {
    this.queue.ended(invocation, this.now);
    invocation.fn.stats.gpu.e2e.add(this.now - invocation.enqueuedAt);
  }

  flow(fn: FunctionRecord): FlowReport {
    const found = this.queue.report(this.now).flows.find((flow) => flow.function === fn.key);
    if (found === undefined) throw new Error(`${fn.key} has no flow`);
    return found;
  }

  /** S and F in ms, and the state. */
  tags(fn: FunctionRecord): [number, number, string] {
    const { startUs, finishUs, state } = this.flow(fn);
    return [startUs / MS, finishUs / MS, state];
  }

  get virtualMs(): number {
    return this.queue.report(this.now).virtualTimeUs / MS;
  }
}

/** Functions f0, f1, …; each with its average execution time, ms. */
export function functions(...execMs: number[]): FunctionRecord[] {
  return execMs.map((ms, index) => queueFunction(index, { execUs: ms * MS }));
}
