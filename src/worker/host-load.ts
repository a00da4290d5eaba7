import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';

/** How busy the machine is, as status says it. Read when somebody asks: nothing runs for it. */
export class HostLoad {
  readonly #cores: number;
  readonly #read: () => string;
  #before: CpuTimes | null;
  #readAt = performance.now();
  #percent = 0;

  /** `cores`: what the load is divided by. `read` gives `/proc/stat`. */
  constructor(cores: number, read = () => readFileSync('/proc/stat', 'utf8')) {
    this.#cores = cores;
    this.#read = read;
    this.#before = this.#times();
  }

  /** `cpuPercent`: time of all cores not idle (user, system, waiting for disks) since it was last asked, a second ago or more. `loadPerCore`: 1-minute average. */
  now(): { cpuPercent: number; loadPerCore: number } {
    const now = performance.now();
    // Of a shorter time it would be noise: the kernel counts in hundredths of a second.
    if (now - this.#readAt >= SHORTEST_MS || this.#percent === 0) this.#measure(now);
    return { cpuPercent: this.#percent, loadPerCore: (loadavg()[0] as number) / this.#cores };
  }

  #measure(now: number): void {
    const times = this.#times();
    const before = this.#before;
    if (times === null || before === null) return;
    const all = times.all - before.all;
    if (all <= 0) return;
    this.#percent = Math.min(100, Math.max(0, (100 * (times.busy - before.busy)) / all));
    this.#before = times;
    this.#readAt = now;
  }

  #times(): CpuTimes | null {
    try {
      return cpuTimes(this.#read());
    } catch {
      return null;
    }
  }
}

const SHORTEST_MS = 1000;

/** Since the machine started; hundredths of a second. */
export interface CpuTimes {
  readonly busy: number;
  /** Of it what processes and interrupts have used: not the waiting for disks. */
  readonly used: number;
  readonly all: number;
}

/** Of `/proc/stat`; null where it has no such line. */
export function cpuTimes(stat: string): CpuTimes | null {
  const line = /^cpu +(.*)$/m.exec(stat)?.[1];
  if (line === undefined) return null;
  // user nice system idle iowait irq softirq steal; what follows is in user already.
  const [user = 0, nice = 0, system = 0, idle = 0, waiting = 0, irq = 0, softIrq = 0, steal = 0] = line
    .split(' ')
    .map(Number);
  const used = user + nice + system + irq + softIrq;
  const busy = used + waiting;
  return { busy, used, all: busy + idle + steal };
}
