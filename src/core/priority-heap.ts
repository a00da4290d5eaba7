/** What a `PriorityHeap` holds. `heapIndex` is the heap's own; -1 = in none. */
export interface HeapNode {
  /** Least first. */
  priority: number;
  /** Among equal priorities, least first: an arrival number, so that the order is always defined. */
  order: number;
  heapIndex: number;
}

/**
 * Min-heap over (`priority`, `order`) that knows where each node is: inserting, removing and moving any node is O(log n), the first is O(1). A node
 * is in at most one heap.
 *
 * What is compared and moved are numbers in arrays, and four children share a parent: among 10⁵ nodes each look at a node is a cache miss, and a removal that goes through
 * the nodes looks at some fifty. Each node has a slot while it is in here, kept in its `heapIndex`. Its `priority` and `order` are read by `push` and `move` only.
 */
export class PriorityHeap<Node extends HeapNode> {
  #length = 0;
  /** By slot. */
  readonly #nodes: (Node | null)[] = [];
  readonly #freeSlots: number[] = [];
  #indices = new Int32Array(INITIAL_CAPACITY);
  /** By index, which says who is whose child. Keys are `priority` and `order`, one after the other. */
  #slots = new Int32Array(INITIAL_CAPACITY);
  #keys = new Float64Array(2 * INITIAL_CAPACITY);

  get length(): number {
    return this.#length;
  }

  first(): Node | null {
    return this.#length === 0 ? null : (this.#nodes[this.#slots[0] as number] as Node);
  }

  push(node: Node): void {
    if (this.#length === this.#slots.length) this.#grow();
    const slot = this.#freeSlots.pop() ?? this.#nodes.length;
    this.#nodes[slot] = node;
    node.heapIndex = slot;
    this.#up(slot, this.#length++, node.priority, node.order);
  }

  /** Nothing happens when it is in none. */
  remove(node: Node): void {
    const slot = node.heapIndex;
    if (slot < 0) return;
    const index = this.#indices[slot] as number;
    node.heapIndex = -1;
    this.#nodes[slot] = null;
    this.#freeSlots.push(slot);
    const last = --this.#length;
    if (index === last) return;
    this.#settle(
      this.#slots[last] as number,
      index,
      this.#keys[2 * last] as number,
      this.#keys[2 * last + 1] as number,
    );
  }

  /** It is in here; its priority becomes this one, and its order what the node says. */
  move(node: Node, priority: number): void {
    node.priority = priority;
    this.#settle(node.heapIndex, this.#indices[node.heapIndex] as number, priority, node.order);
  }

  /** All of them, in no useful order. Nothing may be put in or taken out meanwhile. */
  *[Symbol.iterator](): IterableIterator<Node> {
    for (let index = 0; index < this.#length; index++) yield this.#nodes[this.#slots[index] as number] as Node;
  }

  /** The index is free, or its own; its key may have become less or more. */
  #settle(slot: number, index: number, priority: number, order: number): void {
    if (this.#up(slot, index, priority, order) === index) this.#down(slot, index, priority, order);
  }

  /** Returns where it is now. */
  #up(slot: number, start: number, priority: number, order: number): number {
    const keys = this.#keys;
    let index = start;
    while (index > 0) {
      const parent = (index - 1) >> 2;
      const parentPriority = keys[2 * parent] as number;
      const parentOrder = keys[2 * parent + 1] as number;
      if (parentPriority < priority || (parentPriority === priority && parentOrder <= order)) break;
      this.#place(this.#slots[parent] as number, index, parentPriority, parentOrder);
      index = parent;
    }
    this.#place(slot, index, priority, order);
    return index;
  }

  #down(slot: number, start: number, priority: number, order: number): void {
    const keys = this.#keys;
    const length = this.#length;
    let index = start;
    for (;;) {
      const firstChild = 4 * index + 1;
      if (firstChild >= length) break;
      const end = Math.min(firstChild + 4, length);
      let least = firstChild;
      let leastPriority = keys[2 * firstChild] as number;
      let leastOrder = keys[2 * firstChild + 1] as number;
      for (let child = firstChild + 1; child < end; child++) {
        const childPriority = keys[2 * child] as number;
        if (childPriority > leastPriority) continue;
        const childOrder = keys[2 * child + 1] as number;
        if (childPriority === leastPriority && childOrder > leastOrder) continue;
        least = child;
        leastPriority = childPriority;
        leastOrder = childOrder;
      }
      if (priority < leastPriority || (priority === leastPriority && order < leastOrder)) break;
      this.#place(this.#slots[least] as number, index, leastPriority, leastOrder);
      index = least;
    }
    this.#place(slot, index, priority, order);
  }

  #place(slot: number, index: number, priority: number, order: number): void {
    this.#slots[index] = slot;
    this.#indices[slot] = index;
    this.#keys[2 * index] = priority;
    this.#keys[2 * index + 1] = order;
  }

  /** There are never more slots than there were nodes at once, so one capacity does for both. */
  #grow(): void {
    const { length } = this.#slots;
    const indices = new Int32Array(2 * length);
    const slots = new Int32Array(2 * length);
    const keys = new Float64Array(4 * length);
    indices.set(this.#indices);
    slots.set(this.#slots);
    keys.set(this.#keys);
    this.#indices = indices;
    this.#slots = slots;
    this.#keys = keys;
  }
}

const INITIAL_CAPACITY = 32;
