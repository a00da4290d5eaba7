import type { CallFrame, CpuProfile, ThreadProfile } from './cpu-profile.js';
import { SourcePlaces } from './source-places.js';

/**
 * Profiles as folded stacks, the format that flame graph tools read: `thread;outer;inner <µs>`, a line for each stack that was seen (Gregg, "The Flame Graph", CACM 59(6), 2016).
 */

/** µs by stack; frames joined by ";". */
export type FoldedStacks = ReadonlyMap<string, number>;

export interface FoldOptions {
  /** Count the time in which a thread had nothing to do. */
  readonly idle?: boolean;
}

const IDLE = '(idle)';
const ROOT = '(root)';

export function fold(profiles: readonly ThreadProfile[], { idle = false }: FoldOptions = {}): FoldedStacks {
  const stacks = new Map<string, number>();
  const places = new SourcePlaces();
  for (const { thread, profile } of profiles) {
    const paths = pathsOf(profile, frameText(thread), places);
    for (const [node, us] of weights(profile)) {
      const path = paths.get(node);
      if (path === undefined || (path.idle && !idle)) continue;
      stacks.set(path.text, (stacks.get(path.text) ?? 0) + us);
    }
  }
  return stacks;
}

/** One line each, in the order of their text. */
export function foldedText(stacks: FoldedStacks): string {
  const lines = [...stacks].sort(([a], [b]) => (a < b ? -1 : 1));
  return lines.map(([stack, us]) => `${stack} ${Math.round(us)}\n`).join('');
}

export interface ThreadLoad {
  readonly thread: string;
  readonly samples: number;
  /** Part of the time in which it ran something, from 0 to 1. */
  readonly busy: number;
  /** By their own time, the longest first; µs. */
  readonly top: readonly { readonly frame: string; readonly us: number }[];
}

/** What a thread was busy with; `count` functions of it. */
export function loadOf({ thread, profile }: ThreadProfile, count: number): ThreadLoad {
  const own = new Map<string, number>();
  const places = new SourcePlaces();
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, nameOf(callFrame, places)]));
  let total = 0;
  let idleUs = 0;
  for (const [node, us] of weights(profile)) {
    total += us;
    const name = names.get(node) ?? '';
    if (name === IDLE) idleUs += us;
    else own.set(name, (own.get(name) ?? 0) + us);
  }
  const top = [...own].sort(([, a], [, b]) => b - a).slice(0, count);
  return {
    thread,
    samples: profile.samples?.length ?? 0,
    busy: total === 0 ? 0 : 1 - idleUs / total,
    top: top.map(([frame, us]) => ({ frame, us })),
  };
}

/** A sample stands for the time until the next. */
function weights({ samples = [], timeDeltas = [] }: CpuProfile): Map<number, number> {
  const us = new Map<number, number>();
  samples.forEach((node, index) => {
    // A clock that steps back between cores gives a negative one now and then.
    const weight = Math.max(0, timeDeltas[index + 1] ?? 0);
    us.set(node, (us.get(node) ?? 0) + weight);
  });
  return us;
}

interface Path {
  readonly text: string;
  readonly idle: boolean;
}

/** Of each node, its frames from the outermost. */
function pathsOf({ nodes }: CpuProfile, root: string, places: SourcePlaces): Map<number, Path> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const paths = new Map<number, Path>();
  // Depth can be any: a recursion here would end where the profiled one did not.
  const open: { id: number; above: string }[] =
    nodes.length === 0 ? [] : [{ id: (nodes[0] as { id: number }).id, above: root }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const node = byId.get(next.id);
    if (node === undefined || paths.has(next.id)) continue;
    const name = nameOf(node.callFrame, places);
    const text = name === ROOT ? next.above : `${next.above};${frameText(name)}`;
    paths.set(next.id, { text, idle: name === IDLE });
    for (const child of node.children ?? []) open.push({ id: child, above: text });
  }
  return paths;
}

function nameOf({ functionName, url, lineNumber, columnNumber }: CallFrame, places: SourcePlaces): string {
  const name = functionName === '' ? '(anonymous)' : functionName;
  if (url === '') return name;
  const place = places.find(url, lineNumber, columnNumber);
  return `${name} (${placeOf(place.url)}:${place.line + 1})`;
}

/** Of a path what tells it apart: from `dist`, `src` or `node_modules` on. */
function placeOf(url: string): string {
  if (url.startsWith('node:')) return url;
  const path = url.replace(/^file:\/\//, '');
  return /(?:^|\/)((?:node_modules|dist|src)\/.*)$/.exec(path)?.[1] ?? path.split('/').slice(-2).join('/');
}

/** A frame of the format: without what separates frames, and lines. */
function frameText(text: string): string {
  return text.replaceAll(';', ':').replaceAll(/\s+/g, ' ');
}
