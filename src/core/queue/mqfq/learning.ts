import type { Invocation } from '../../invocation.js';
import { LinearRegression } from '../../regression.js';
import type { FlowNode } from './flow.js';

/**
 * What the ends of invocations teach: how the time from arrival to end follows from the load at arrival, and by how much estimates are short.
 *
 * A queue is not told how one has ended. The function's statistics count what the function itself has ended, just after the queue has heard of it: so each is
 * kept until the next is looked at, and forgotten if it was not counted. A lost container, a time-out or a try that is repeated teaches nothing about the
 * load.
 */
export class Learning {
  /** Of all functions; each flow has its own besides. */
  readonly regression = new LinearRegression();
  #latest: Sample | null = null;

  ended(node: FlowNode, invocation: Invocation, now: number): void {
    this.settle();
    const { e2e } = invocation.fn.stats.of(invocation.device);
    this.#latest = { node, endToEndUs: now - invocation.enqueuedAt, answers: e2e, answersBefore: e2e.count };
  }

  /** To be called before anything is read. */
  settle(): void {
    const sample = this.#latest;
    this.#latest = null;
    if (sample === null || sample.answers.count === sample.answersBefore) return;
    const { node, endToEndUs } = sample;
    this.regression.add(node.loadUs, endToEndUs);
    node.flow.regression.add(node.loadUs, endToEndUs);
    if (node.estimatedUs > 0) node.flow.estimationError.add(endToEndUs - node.estimatedUs);
  }
}

interface Sample {
  readonly node: FlowNode;
  readonly endToEndUs: number;
  readonly answers: { readonly count: number };
  readonly answersBefore: number;
}
