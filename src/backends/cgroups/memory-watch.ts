import { closeSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { native } from '../../native.js';

/**
 * Whether one container has gone over its soft limit (memory policy `grow`), known before it is given its next invocation. Memory cannot be filled faster than the
 * machine writes it: after a reading, nothing is read again until the room that was left could be full. So what runs far below its limit
 * is read a few times a second however many invocations it serves, and one that idles never.
 *
 * The high-water mark is one small read, and says enough as long as it is below the limit. It counts page cache too, so above it the page cache is read and taken off: what
 * remains has been held at some time. (Cache can have been dropped since, where the container is near its ceiling: then an overrun that is over by now goes unseen. Never the
 * other way round.) Thresholds that signal an eventfd, version 1's own means, count page cache in the same way and are deprecated.
 */

/** Faster than any core fills pages, huge ones included; bytes a millisecond. */
const FILL_RATE = 16 * 1024 * 1024;
/** Near its limit a container is not read more often than this; ms. What it does within, the memory sampler finds. */
const SHORTEST_PAUSE_MS = 1;

export class MemoryWatch {
  readonly #dirs: string[];
  readonly #versions: number[];
  readonly #peakPath: string;
  readonly #softBytes: number;
  readonly #rate: number;
  #file = -1;
  #dueAt = 0;

  /** `dir`: its cgroup in the hierarchy of the memory controller. */
  constructor(dir: string, version: number, softBytes: number, cores: number) {
    this.#dirs = [dir];
    this.#versions = [version];
    const peak = join(dir, version === 2 ? 'memory.peak' : 'memory.max_usage_in_bytes');
    // Kernels before 5.19 have no high-water mark in version 2: what there is now must do.
    this.#peakPath = existsSync(peak) ? peak : join(dir, 'memory.current');
    this.#softBytes = softBytes;
    this.#rate = FILL_RATE * cores;
  }

  /** After a run, `now` in ms: what it held at most, where that was above the limit; bytes, 0 = nothing known above it. */
  ended(now: number): number {
    if (now < this.#dueAt) return 0;
    const held = this.#heldBytes();
    if (held > this.#softBytes) return held;
    this.#dueAt = now + Math.max(SHORTEST_PAUSE_MS, (this.#softBytes - held) / this.#rate);
    return 0;
  }

  close(): void {
    if (this.#file >= 0) closeSync(this.#file);
    this.#file = -1;
  }

  #heldBytes(): number {
    try {
      if (this.#file < 0) this.#file = openSync(this.#peakPath, 'r');
      const { cgroup } = native();
      const peak = cgroup.counter(this.#file);
      if (peak <= this.#softBytes) return Math.max(0, peak);
      const { usedBytes, cacheBytes } = cgroup.memory(this.#dirs, this.#versions);
      return Math.max(usedBytes, peak - cacheBytes);
    } catch {
      // It is gone, and so is what it held.
      return 0;
    }
  }
}
