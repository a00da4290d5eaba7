import { performance } from 'node:perf_hooks';
import { coresOf } from './cores.js';
import { type CpuMeter, cpuMeterFor } from './cpu-meter.js';
import type { CgroupLayout } from './layout.js';
import type { ContainerLimits } from './limits.js';
import { MemoryWatch } from './memory-watch.js';
import { ThrottleMeter } from './throttle-meter.js';

/** What a backend asks a container's cgroup about its runs. Made only where there is something to ask: limits, or CPU time for the division of energy; for all others there is none. */

/** What a run's end has to say of its container; 0 when there is nothing to say. */
export interface RunReading {
  /** Summed over the cores; µs. */
  readonly throttledUs: number;
  /** What its container held at most, where that is above its soft limit; MiB. */
  readonly overMb: number;
  /** CPU time of the run; µs, null = not measured. */
  readonly cpuUs: number | null;
}

export const NOTHING_READ: RunReading = { throttledUs: 0, overMb: 0, cpuUs: null };

const BYTES_PER_MB = 1024 * 1024;
const clock = (): number => performance.now();

export class RunMeter {
  readonly #throttle: ThrottleMeter | null;
  readonly #memory: MemoryWatch | null;
  readonly #cpu: CpuMeter | null;
  readonly #now: () => number;

  /** `now`: ms from any origin. */
  constructor(throttle: ThrottleMeter | null, memory: MemoryWatch | null, cpu: CpuMeter | null, now: () => number) {
    this.#throttle = throttle;
    this.#memory = memory;
    this.#cpu = cpu;
    this.#now = now;
  }

  /** To be called before each run. */
  began(requestId: number): void {
    this.#cpu?.began(requestId);
  }

  /** CPU time so far of a run that goes on; µs, null = not measured. */
  cpuUs(requestId: number): number | null {
    return this.#cpu === null ? null : this.#cpu.soFar(requestId);
  }

  /** To be called once the code is loaded, with how long that took: what was held back or used until then is no run's. */
  loaded(loadUs: number): void {
    this.#throttle?.ended(loadUs);
    this.#memory?.ended(this.#now());
  }

  /** To be called after each run. */
  ended(requestId: number, runUs: number): RunReading {
    const cpuUs = this.#cpu === null ? null : this.#cpu.ended(requestId);
    const throttledUs = this.#throttle === null ? 0 : this.#throttle.ended(runUs);
    const held = this.#memory === null ? 0 : this.#memory.ended(this.#now());
    if (throttledUs === 0 && held === 0 && cpuUs === null) return NOTHING_READ;
    return { throttledUs, overMb: held / BYTES_PER_MB, cpuUs };
  }

  close(): void {
    this.#throttle?.close();
    this.#memory?.close();
    this.#cpu?.close();
  }
}

/** `dirs`: of one container, in the order of the layout. null = there is nothing to ask. `cores`: of this machine. `cpuTime`: measure that of runs. */
export function runMeterFor(
  layout: CgroupLayout,
  dirs: readonly string[],
  limits: ContainerLimits,
  cores: number,
  cpuTime: boolean,
  now = clock,
): RunMeter | null {
  const { cpus, cpuset, memorySoftBytes } = limits;
  const usable = cpuset === null ? cores : coresOf(cpuset).length;
  const cpuDir = dirs[layout.cpu];
  // A quota of all the cores it may use cannot be used up.
  const throttle =
    cpuDir === undefined || cpus === null || cpus >= usable ? null : new ThrottleMeter(cpuDir, cpus, usable);
  const memoryDir = dirs[layout.memoryIndex];
  const memory =
    memoryDir === undefined || memorySoftBytes === null
      ? null
      : new MemoryWatch(memoryDir, layout.versions[layout.memoryIndex] as number, memorySoftBytes, usable);
  const cpu = cpuTime ? cpuMeterFor(layout, dirs) : null;
  return throttle === null && memory === null && cpu === null ? null : new RunMeter(throttle, memory, cpu, now);
}
