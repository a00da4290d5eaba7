import type { Invocation } from '../invocation.js';

/** An invocation's place in an `ArrivalList`. */
export interface ArrivalNode {
  readonly invocation: Invocation;
  previous: ArrivalNode | null;
  next: ArrivalNode | null;
}

/** Invocations in the order of their arrival, doubly linked: every operation is O(1), but for `insert`. A node is in at most one list. */
export class ArrivalList<Node extends ArrivalNode> {
  length = 0;
  #head: Node | null = null;
  #tail: Node | null = null;

  get head(): Node | null {
    return this.#head;
  }

  /** It came after all others. */
  push(node: Node): void {
    this.#link(node, this.#tail, null);
  }

  /** One that was in here before: others that came back and are older are walked past, and nothing else, since what is taken is taken from the head. */
  insert(node: Node): void {
    let after: Node | null = null;
    let before = this.#head;
    while (before !== null && before.invocation.id < node.invocation.id) {
      after = before;
      before = before.next as Node | null;
    }
    this.#link(node, after, before);
  }

  remove(node: Node): void {
    const { previous, next } = node;
    if (previous === null) this.#head = next as Node | null;
    else previous.next = next;
    if (next === null) this.#tail = previous as Node | null;
    else next.previous = previous;
    // Whoever keeps the node of an invocation that left must not keep its former neighbours.
    node.previous = null;
    node.next = null;
    this.length--;
  }

  #link(node: Node, previous: Node | null, next: Node | null): void {
    node.previous = previous;
    node.next = next;
    if (previous === null) this.#head = node;
    else previous.next = node;
    if (next === null) this.#tail = node;
    else next.previous = node;
    this.length++;
  }
}
