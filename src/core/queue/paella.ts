import type { FunctionRecord } from '../function-record.js';
import type { Invocation } from '../invocation.js';
import { numberOf, type PolicyEntry } from '../policy.js';
import { type HeapNode, PriorityHeap } from '../priority-heap.js';
import { ArrivalList, type ArrivalNode } from './arrival-list.js';
import type { QueuePolicy } from './queue-policy.js';

interface Item extends ArrivalNode {
  readonly flow: Flow;
  /** Average time of execution on a GPU, as it was when this was queued; µs. -Infinity for one that came back. */
  readonly execUs: number;
}

interface FlowNode extends HeapNode {
  readonly flow: Flow;
}

/** A function with something queued. */
class Flow {
  readonly items = new ArrivalList<Item>();
  /** By the time of its head. */
  readonly shortest: FlowNode = { flow: this, priority: 0, order: 0, heapIndex: -1 };
  /** By what its deficit is counted from: the least is the greatest deficit. */
  readonly neediest: FlowNode;

  constructor(base: number, order: number) {
    this.neediest = { flow: this, priority: base, order, heapIndex: -1 };
  }
}

/**
 * Shortest job first among the heads of the functions, until one has been passed over too often: each start takes 1 off the deficit of the function it is
 * of, and gives each of the n functions with something queued, that one included, 1/n. The function with the greatest deficit goes first once that reaches
 * `threshold`.
 *
 * Only functions with something queued take part: a deficit that grew while a function wanted nothing would let it displace the others later. One whose
 * queue runs empty starts again from 0, as in deficit round robin (Shreedhar & Varghese, SIGCOMM 1995). So a start from an empty queue changes nothing,
 * and need not be seen.
 *
 * A deficit is kept as the difference to a sum that all share, so that a start costs O(log f) and not O(f).
 */
export class PaellaQueue implements QueuePolicy {
  readonly bypassWhenEmpty = true;
  length = 0;
  readonly #threshold: number;
  readonly #flows = new Map<FunctionRecord, Flow>();
  readonly #shortest = new PriorityHeap<FlowNode>();
  readonly #neediest = new PriorityHeap<FlowNode>();
  /** What a function would have been given that has been here from the start. */
  #given = 0;

  constructor(threshold: number) {
    this.#threshold = threshold;
  }

  push(invocation: Invocation): void {
    const flow = this.#flowOf(invocation);
    flow.items.push(itemOf(invocation, flow, invocation.fn.stats.gpu.exec.average));
    this.#headChanged(flow);
    this.length++;
  }

  requeue(invocation: Invocation): void {
    const flow = this.#flowOf(invocation);
    flow.items.insert(itemOf(invocation, flow, Number.NEGATIVE_INFINITY));
    this.#headChanged(flow);
    this.length++;
  }

  choose(): Invocation | null {
    const shortest = this.#shortest.first();
    const neediest = this.#neediest.first();
    if (shortest === null || neediest === null) return null;
    const isDue = this.#given - neediest.priority >= this.#threshold && shortest.priority !== Number.NEGATIVE_INFINITY;
    return (isDue ? neediest : shortest).flow.items.head?.invocation ?? null;
  }

  remove(invocation: Invocation): void {
    const { flow } = invocation.queueNode as Item;
    flow.items.remove(invocation.queueNode as Item);
    invocation.queueNode = null;
    this.length--;
    if (flow.items.length > 0) this.#headChanged(flow);
    else {
      this.#shortest.remove(flow.shortest);
      this.#neediest.remove(flow.neediest);
      this.#flows.delete(invocation.fn);
    }
  }

  started({ fn }: Invocation): void {
    const flow = this.#flows.get(fn);
    this.#given += 1 / (this.#flows.size + (flow === undefined ? 1 : 0));
    if (flow !== undefined) this.#neediest.move(flow.neediest, flow.neediest.priority + 1);
  }

  ended(_invocation: Invocation): void {}

  report(): unknown {
    const flows = [...this.#flows].map(([{ key }, { items, neediest }]) => {
      return { function: key, queued: items.length, deficit: this.#given - neediest.priority };
    });
    return { flows };
  }

  #flowOf({ fn, id }: Invocation): Flow {
    let flow = this.#flows.get(fn);
    if (flow === undefined) {
      flow = new Flow(this.#given, id);
      this.#flows.set(fn, flow);
      this.#neediest.push(flow.neediest);
    }
    return flow;
  }

  #headChanged({ items, shortest }: Flow): void {
    const head = items.head as Item;
    if (shortest.heapIndex >= 0 && shortest.order === head.invocation.id) return;
    this.#shortest.remove(shortest);
    shortest.priority = head.execUs;
    shortest.order = head.invocation.id;
    this.#shortest.push(shortest);
  }
}

function itemOf(invocation: Invocation, flow: Flow, execUs: number): Item {
  const item: Item = { invocation, previous: null, next: null, flow, execUs };
  invocation.queueNode = item;
  return item;
}

export const paella: PolicyEntry<QueuePolicy> = {
  name: 'paella',
  family: 'gpu-queue',
  optimises: 'mean waiting time, with a bound on how often a long function is passed over',
  parameters: [
    {
      name: 'threshold',
      unit: 'starts',
      default: 25,
      min: 0,
      max: 1e6,
      meaning: 'Deficit from which a function goes first',
    },
  ],
  cost: 'O(log f)',
  source: 'Ng, Demoulin & Liu, Paella (SOSP 2023): shortest remaining time with deficit counters',
  create: (parameters) => new PaellaQueue(numberOf(parameters, 'threshold')),
};
