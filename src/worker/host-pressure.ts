import { readFileSync } from 'node:fs';

/** How short of memory the machine is, as the kernel says it. */
export interface PressureReading {
  /** Time for which some task waited for memory since the machine started (PSI); µs, null = the kernel does not say. */
  readonly stalledUs: number | null;
  /** What could be had without swapping; percent of all. */
  readonly availablePercent: number;
}

export interface PressureSource {
  read(): PressureReading;
}

/**
 * Both are needed. Stalls say best that work suffers, but without swap there is little to wait for until there is next to nothing left, and then the OOM killer comes
 * within moments: what is available gives notice of that.
 */
export class HostPressure implements PressureSource {
  read(): PressureReading {
    return {
      stalledUs: stalledUs(textOf('/proc/pressure/memory')),
      availablePercent: available(textOf('/proc/meminfo')),
    };
  }
}

/** Of `some …`: the total, not the averages. Those go on for a while after it is over, and more would be evicted than is needed. */
export function stalledUs(pressure: string): number | null {
  const match = /^some .*\btotal=(\d+)$/m.exec(pressure);
  return match === null ? null : Number(match[1]);
}

/** 100 where it cannot be read: nothing is evicted on a guess. */
export function available(meminfo: string): number {
  const total = /^MemTotal:\s+(\d+) kB$/m.exec(meminfo);
  const free = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo);
  return total === null || free === null ? 100 : (100 * Number(free[1])) / Number(total[1]);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // No PSI in this kernel, or switched off: reading then fails with EOPNOTSUPP.
    return '';
  }
}
