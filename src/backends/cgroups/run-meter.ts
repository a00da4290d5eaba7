import { performance } from 'node:perf_hooks';
import { coresOf } from './cores.js';
import type { CgroupLayout } from './layout.js';
import type { ContainerLimits } from './limits.js';
import { MemoryWatch } from './memory-watch.js';
import { ThrottleMeter } from './throttle-meter.js';

/** What a backend asks a container's cgroup after each run. Made only for containers with limits that need asking; for all others there is none. */

/** What a run's end has to say of its container; both are 0 when there is nothing to say. */
export interface RunReading {
  /** Summed over the cores; µs. */
  readonly throttledUs: number;
  /** What its container held at most, where that is above its soft limit; MiB. */
  readonly overMb: number;
}

export const NOTHING_READ: RunReading = { throttledUs: 0, overMb: 0 };

const BYTES_PER_MB = 1024 * 1024;
const clock = (): number => performance.now();

export class RunMeter {
  readonly #throttle: ThrottleMeter | null;
  readonly #memory: MemoryWatch | null;
  readonly #now: () => number;

  /** `now`: ms from any origin. */
  constructor(throttle: ThrottleMeter | null, memory: MemoryWatch | null, now: () => number) {
    this.#throttle = throttle;
    this.#memory = memory;
    this.#now = now;
  }

  /** To be called after each run, and once the code is loaded, with how long that took. */
  ended(runUs: number): RunReading {
    const throttledUs = this.#throttle === null ? 0 : this.#throttle.ended(runUs);
    const held = this.#memory === null ? 0 : this.#memory.ended(this.#now());
    return throttledUs === 0 && held === 0 ? NOTHING_READ : { throttledUs, overMb: held / BYTES_PER_MB };
  }

  close(): void {
    this.#throttle?.close();
    this.#memory?.close();
  }
}

/** `dirs`: of one container, in the order of the layout. null = its limits need no asking. `cores`: of this machine. */
export function runMeterFor(
  layout: CgroupLayout,
  dirs: readonly string[],
  limits: ContainerLimits,
  cores: number,
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
  return throttle === null && memory === null ? null : new RunMeter(throttle, memory, now);
}
