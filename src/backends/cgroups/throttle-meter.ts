import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { native } from '../../native.js';
import { quotaUs } from './limit-formats.js';

/**
 * How long one container was held back by its CPU quota. A container is throttled only once it has used up its quota within a period, which takes it at
 * least quota / cores of running: so only runs of that length are followed by a read, and short ones cost one comparison. What a shorter run was
 * held back for is, at most, the rest of a period that others had almost used up; it is counted with the next run that is read.
 */
export class ThrottleMeter {
  readonly #path: string;
  readonly #cores: number;
  /** Shortest run that can have used up a quota; µs. */
  readonly #leastUs: number;
  /** Opened when it is first needed: most containers never are throttled. */
  #file = -1;
  #lastUs = 0;

  /** `dir`: its cgroup in the hierarchy of the cpu controller. */
  constructor(dir: string, cpus: number, cores: number) {
    this.#path = join(dir, 'cpu.stat');
    this.#cores = cores;
    this.#leastUs = quotaUs(cpus) / cores;
  }

  /** After a run: what of its time went to throttling, summed over the cores; µs. */
  ended(runUs: number): number {
    if (runUs < this.#leastUs) return 0;
    if (this.#file < 0) {
      try {
        this.#file = openSync(this.#path, 'r');
      } catch {
        return 0;
      }
    }
    const totalUs = native().cgroup.throttledUs(this.#file);
    if (totalUs < 0) return 0;
    const sinceUs = totalUs - this.#lastUs;
    this.#lastUs = totalUs;
    // Not more than this run can have had: the rest was that of short ones before it.
    return Math.min(sinceUs, runUs * this.#cores);
  }

  close(): void {
    if (this.#file >= 0) closeSync(this.#file);
    this.#file = -1;
  }
}
