import { IluvatarError } from '../core/errors.js';
import type { WorkerProfile } from '../telemetry/profile/capture.js';
import {
  type CpuProfile,
  type ProfileRequest,
  profileThisThread,
  type ThreadProfile,
} from '../telemetry/profile/cpu-profile.js';
import type { LifecyclePool } from './lifecycle/pool.js';

/** CPU profiles of all threads of a worker at once, each taken by the thread itself. */
export interface ProfilerOptions {
  readonly worker: string;
  /** The main thread is another one than this. */
  readonly threads: boolean;
  readonly lifecycle: LifecyclePool;
  /** Of the main thread. */
  askMain(request: ProfileRequest): Promise<unknown>;
}

export class Profiler {
  readonly #options: ProfilerOptions;
  #busy = false;

  constructor(options: ProfilerOptions) {
    this.#options = options;
  }

  /** `only`: these threads; all when absent. Rejects with `conflict` while another profile is taken, `invalid` for a thread that is not there. */
  async take(request: ProfileRequest, only?: readonly string[]): Promise<WorkerProfile> {
    if (this.#busy) throw new IluvatarError('conflict', 'another profile of this worker is being taken');
    this.#busy = true;
    try {
      const wanted = this.#wanted(only);
      const taken = await Promise.all(wanted.map(async ([thread, take]) => ({ thread, profile: await take(request) })));
      // A thread that two were asked of, or that has ended meanwhile.
      const threads = taken.filter((one): one is ThreadProfile => one.profile !== null);
      return { worker: this.#options.worker, ms: request.ms, threads };
    } finally {
      this.#busy = false;
    }
  }

  #wanted(only: readonly string[] | undefined): [string, (request: ProfileRequest) => Promise<CpuProfile | null>][] {
    const { threads, lifecycle, askMain } = this.#options;
    const all: [string, (request: ProfileRequest) => Promise<CpuProfile | null>][] = [];
    if (threads) all.push(['main', async (request) => (await askMain(request)) as CpuProfile | null]);
    all.push([threads ? 'shard-0' : 'main', profileThisThread]);
    for (let i = 1; i <= lifecycle.counters().threads; i++) {
      all.push([`life-cycle-${i}`, (request) => lifecycle.run('cpuProfile', request)]);
    }
    if (only === undefined) return all;
    const names = all.map(([name]) => name);
    const unknown = only.find((name) => !names.includes(name));
    if (unknown !== undefined) {
      throw new IluvatarError('invalid', `no thread "${unknown}"; there are: ${names.join(', ')}`);
    }
    return all.filter(([name]) => only.includes(name));
  }
}
