import { readFileSync } from 'node:fs';

/** Cores by number, as the kernel writes sets of them. */

const MOST_CORES = 8192;

/** The numbers in "0-1,4", in order and once each. Empty for a range that runs backwards or beyond what a kernel can have. */
export function coresOf(cpuset: string): number[] {
  const cores = new Set<number>();
  for (const part of cpuset.trim().split(',')) {
    const [first, last = first] = part.split('-').map(Number) as [number, number?];
    if (!(first <= last && last < MOST_CORES)) return [];
    for (let core = first; core <= last; core++) cores.add(core);
  }
  return [...cores].sort((a, b) => a - b);
}

/** Those that this machine has switched on. */
export function onlineCores(): number[] {
  return coresOf(readFileSync('/sys/devices/system/cpu/online', 'utf8'));
}
