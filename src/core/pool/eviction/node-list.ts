/** A place in a `NodeList`; a node is in at most one. */
export interface ListNode {
  listed: boolean;
  previous: ListNode | null;
  next: ListNode | null;
}

/** Nodes in the order in which they were pushed, doubly linked through themselves: every operation is O(1) and allocates nothing. */
export class NodeList<Node extends ListNode> {
  length = 0;
  #oldest: Node | null = null;
  #newest: Node | null = null;

  get oldest(): Node | null {
    return this.#oldest;
  }

  get newest(): Node | null {
    return this.#newest;
  }

  /** It is in no list and becomes the newest of this one. */
  push(node: Node): void {
    node.listed = true;
    node.previous = this.#newest;
    node.next = null;
    if (this.#newest === null) this.#oldest = node;
    else this.#newest.next = node;
    this.#newest = node;
    this.length++;
  }

  /** Nothing happens when it is in no list. */
  remove(node: Node): void {
    if (!node.listed) return;
    const { previous, next } = node;
    if (previous === null) this.#oldest = next as Node | null;
    else previous.next = next;
    if (next === null) this.#newest = previous as Node | null;
    else next.previous = previous;
    node.listed = false;
    // A container that runs for long must not keep its former neighbours, which may be gone by then.
    node.previous = null;
    node.next = null;
    this.length--;
  }
}
