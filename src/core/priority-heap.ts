/** What a `PriorityHeap` holds. `heapIndex` is the heap's own; -1 = in none. */
export interface HeapNode {
  /** Least first. */
  priority: number;
  /** Among equal priorities, least first: an arrival number, so that the order is always defined. */
  order: number;
  heapIndex: number;
}

/** Four children each: half the levels of a binary heap, and the children stand side by side in memory. */
const ARITY_BITS = 2;
const ARITY = 1 << ARITY_BITS;

/**
 * Min-heap over (`priority`, `order`) that knows where each node is: inserting, removing and moving any node is O(log n), the first is O(1). A node
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
    this.#nodes[index] = last;
    last.heapIndex = index;
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
    const nodes = this.#nodes;
    let hole = node.heapIndex;
    while (hole > 0) {
      const above = (hole - 1) >> ARITY_BITS;
      const parent = nodes[above] as Node;
      if (!before(node, parent)) break;
      nodes[hole] = parent;
      parent.heapIndex = hole;
      hole = above;
    }
    nodes[hole] = node;
    node.heapIndex = hole;
  }

  #down(node: Node): void {
    const nodes = this.#nodes;
    const { length } = nodes;
    let hole = node.heapIndex;
    for (;;) {
      const first = (hole << ARITY_BITS) + 1;
      if (first >= length) break;
      const end = Math.min(first + ARITY, length);
      let least = first;
      for (let i = first + 1; i < end; i++) if (before(nodes[i] as Node, nodes[least] as Node)) least = i;
      const child = nodes[least] as Node;
      if (!before(child, node)) break;
      nodes[hole] = child;
      child.heapIndex = hole;
      hole = least;
    }
    nodes[hole] = node;
    node.heapIndex = hole;
  }
}

function before(a: HeapNode, b: HeapNode): boolean {
  return a.priority < b.priority || (a.priority === b.priority && a.order < b.order);
}
