import type { IdleNode } from './idle-list.js';

/** Binary min-heap over `expiresAt` that knows where each node is: insertion and removal of any node are O(log n), the earliest is O(1). */
export class ExpiryHeap {
  readonly #nodes: IdleNode[] = [];

  get length(): number {
    return this.#nodes.length;
  }

  first(): IdleNode | null {
    return this.#nodes[0] ?? null;
  }

  push(node: IdleNode, expiresAt: number): void {
    node.expiresAt = expiresAt;
    node.heapIndex = this.#nodes.push(node) - 1;
    this.#up(node);
  }

  remove(node: IdleNode): void {
    const index = node.heapIndex;
    if (index < 0) return;
    node.heapIndex = -1;
    const last = this.#nodes.pop() as IdleNode;
    if (last === node) return;
    this.#place(last, index);
    this.#up(last);
    this.#down(last);
  }

  /** The new time is not before the old one. */
  postpone(node: IdleNode, expiresAt: number): void {
    node.expiresAt = expiresAt;
    this.#down(node);
  }

  #up(node: IdleNode): void {
    while (node.heapIndex > 0) {
      const parent = this.#nodes[(node.heapIndex - 1) >> 1] as IdleNode;
      if (parent.expiresAt <= node.expiresAt) return;
      this.#swap(node, parent);
    }
  }

  #down(node: IdleNode): void {
    for (;;) {
      const left = this.#nodes[2 * node.heapIndex + 1];
      const right = this.#nodes[2 * node.heapIndex + 2];
      if (left === undefined) return;
      const child = right !== undefined && right.expiresAt < left.expiresAt ? right : left;
      if (node.expiresAt <= child.expiresAt) return;
      this.#swap(node, child);
    }
  }

  #swap(a: IdleNode, b: IdleNode): void {
    const index = a.heapIndex;
    this.#place(a, b.heapIndex);
    this.#place(b, index);
  }

  #place(node: IdleNode, index: number): void {
    this.#nodes[index] = node;
    node.heapIndex = index;
  }
}
