import { readdirSync, readFileSync } from 'node:fs';

/** What /proc says of processes. Those that end while they are read are left out. */

/** `pid` and everything below it. */
export function processTree(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const parent = parentOf(read(`/proc/${entry}/stat`));
    if (parent === null) continue;
    const siblings = children.get(parent) ?? [];
    children.set(parent, siblings);
    siblings.push(Number(entry));
  }
  const tree = [pid];
  for (let i = 0; i < tree.length; i++) tree.push(...(children.get(tree[i] as number) ?? []));
  return tree;
}

/** The parent in a line of /proc/PID/stat; the name before it may hold spaces and parentheses. */
export function parentOf(stat: string): number | null {
  const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  return stat === '' || !Number.isInteger(parent) ? null : parent;
}

/** Processor time of every thread by its id, ns: exact, where the ticks of /proc/PID/stat are 10 ms. */
export function threadTimes(pids: readonly number[]): Map<number, number> {
  const times = new Map<number, number>();
  for (const pid of pids) {
    for (const thread of threads(pid)) {
      const [ns = ''] = read(`/proc/${pid}/task/${thread}/schedstat`).split(' ');
      if (ns !== '') times.set(Number(thread), Number(ns));
    }
  }
  return times;
}

/** Seconds of processor time between two readings; a thread that is new counts from its start. */
export function secondsBetween(before: ReadonlyMap<number, number>, after: ReadonlyMap<number, number>): number {
  let ns = 0;
  for (const [thread, time] of after) ns += time - (before.get(thread) ?? 0);
  return ns / 1e9;
}

/** Resident memory; MiB. */
export function residentMb(pid: number): number {
  return kilobytes(read(`/proc/${pid}/status`), 'VmRSS') / 1024;
}

/** Its proportional share of what it has mapped; MiB. 0 when it has gone. */
export function proportionalMb(pid: number): number {
  return kilobytes(read(`/proc/${pid}/smaps_rollup`), 'Pss') / 1024;
}

/** The number behind `name:` in text of lines such as `Pss:   1234 kB`; 0 = not there. */
export function kilobytes(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
}

function threads(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
