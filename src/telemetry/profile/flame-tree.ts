import type { FoldedStacks } from './folded.js';

/** Folded stacks as boxes: where each lies and how wide it is. */

export interface FlameBox {
  readonly name: string;
  /** 0 = the root. */
  readonly depth: number;
  /** From the left, and wide; µs. */
  readonly at: number;
  readonly us: number;
}

export interface FlameLayout {
  readonly boxes: readonly FlameBox[];
  readonly totalUs: number;
  /** Rows. */
  readonly depth: number;
}

interface Node {
  us: number;
  readonly children: Map<string, Node>;
}

/** Children are in the order of their names, so that the same stacks are the same picture. Boxes narrower than `leastUs` are left out, with what is above them. */
export function layOut(stacks: FoldedStacks, leastShare: number): FlameLayout {
  const root: Node = { us: 0, children: new Map() };
  for (const [stack, us] of stacks) add(root, stack.split(';'), us);
  const leastUs = root.us * leastShare;
  const boxes: FlameBox[] = [];
  let depth = 0;
  const open: { name: string; node: Node; depth: number; at: number }[] = [
    { name: 'all', node: root, depth: 0, at: 0 },
  ];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { name, node, at } = next;
    boxes.push({ name, depth: next.depth, at, us: node.us });
    depth = Math.max(depth, next.depth + 1);
    let left = at;
    for (const [child, below] of [...node.children].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (below.us >= leastUs) open.push({ name: child, node: below, depth: next.depth + 1, at: left });
      left += below.us;
    }
  }
  return { boxes, totalUs: root.us, depth };
}

function add(root: Node, frames: readonly string[], us: number): void {
  let node = root;
  node.us += us;
  for (const frame of frames) {
    let child = node.children.get(frame);
    if (child === undefined) {
      child = { us: 0, children: new Map() };
      node.children.set(frame, child);
    }
    child.us += us;
    node = child;
  }
}
