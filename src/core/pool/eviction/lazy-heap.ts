import { type HeapNode, PriorityHeap } from '../../priority-heap.js';

/** A container in a `LazyHeap`. `priority` and `order` are the heap's own: what `due` and `dueOrder` were when it last looked. */
export interface LazyNode extends HeapNode {
  idle: boolean;
  /** What it is ordered by: least first, and among equals the least `dueOrder`. */
  due: number;
  dueOrder: number;
}

/**
 * Idle containers, least `due` first. A container that runs keeps its old entry; the entry is corrected, or taken out, when it comes up. What a container
 * is due at nearly always grows from one use to the next, and then a warm invocation costs no heap operation at all: each use causes at most one
 * correction, later, O(log n). When it shrinks the entry is moved at once, so that nothing comes up too late.
 */
export class LazyHeap<Node extends LazyNode> {
  readonly #heap = new PriorityHeap<Node>();

  /** It has become idle. */
  put(node: Node, due: number, dueOrder: number): void {
    node.idle = true;
    node.due = due;
    node.dueOrder = dueOrder;
    if (node.heapIndex < 0) {
      node.priority = due;
      node.order = dueOrder;
      this.#heap.push(node);
    } else if (due < node.priority || (due === node.priority && dueOrder < node.order)) this.#correct(node);
  }

  /** It is used. */
  take(node: Node): void {
    node.idle = false;
  }

  /** It is gone: its entry must not stay until it comes up, which with many short lives would be a leak. */
  drop(node: Node): void {
    node.idle = false;
    this.#heap.remove(node);
  }

  /** The idle one with the least `due`, unless that is above `limit`: then null. */
  first(limit = Number.POSITIVE_INFINITY): Node | null {
    for (;;) {
      const node = this.#heap.first();
      if (node === null || node.priority > limit) return null;
      if (!node.idle) this.#heap.remove(node);
      else if (node.due === node.priority && node.dueOrder === node.order) return node;
      else this.#correct(node);
    }
  }

  /** Nothing is due before this; may be too early, never too late. Infinity when it is empty. O(1). */
  bound(): number {
    return this.#heap.first()?.priority ?? Number.POSITIVE_INFINITY;
  }

  #correct(node: Node): void {
    node.order = node.dueOrder;
    this.#heap.move(node, node.due);
  }
}
