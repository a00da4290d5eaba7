/** What a `PriorityHeap` holds. `heapIndex` is the heap's own; -1 = in none. */
export interface HeapNode {
  /** Least first. */
  priority: number;
  /** Among equal priorities, least first: an arrival number, so that the order is always defined. */
  order: number;
  heapIndex: number;
}

/**
 * Binary min-heap over (`priority`, `order`) that knows where each node is: inserting, removing and moving any node is O(log n), the first is O(1). A node
 * is in at most one heap.
 */
export class PriorityHeap<Node extends HeapNode> {
  readonly #nodes: Node[] = [];

  get length(): number {
    return this.#nodes.length;
  }

  first(): Node | null {
    return this.#nodes[0] ?? null;
  }

  push(node: Node): void {
    node.heapIndex = this.#nodes.push(node) - 1;
    this.#up(node);
  }

  /** Nothing happens when it is in none. */
  remove(node: Node): void {
    const index = node.heapIndex;
    if (index < 0) return;
    node.heapIndex = -1;
    const last = this.#nodes.pop() as Node;
    if (last === node) return;
    this.#place(last, index);
    this.#up(last);
    this.#down(last);
  }

  /** It is in here and its priority becomes this one. */
  move(node: Node, priority: number): void {
    node.priority = priority;
    this.#up(node);
    this.#down(node);
  }

  /** All of them, in no useful order. */
  [Symbol.iterator](): IterableIterator<Node> {
    return this.#nodes[Symbol.iterator]();
  }

  #up(node: Node): void {
    while (node.heapIndex > 0) {
      const parent = this.#nodes[(node.heapIndex - 1) >> 1] as Node;
      if (!before(node, parent)) return;
      this.#swap(node, parent);
    }
  }

  #down(node: Node): void {
    for (;;) {
      const left = this.#nodes[2 * node.heapIndex + 1];
      const right = this.#nodes[2 * node.heapIndex + 2];
      if (left === undefined) return;
      const child = right !== undefined && before(right, left) ? right : left;
      if (!before(child, node)) return;
      this.#swap(node, child);
    }
  }

  #swap(a: Node, b: Node): void {
    const index = a.heapIndex;
    this.#place(a, b.heapIndex);
    this.#place(b, index);
  }

  #place(node: Node, index: number): void {
    this.#nodes[index] = node;
    node.heapIndex = index;
  }
}

function before(a: HeapNode, b: HeapNode): boolean {
  return a.priority < b.priority || (a.priority === b.priority && a.order < b.order);
}
