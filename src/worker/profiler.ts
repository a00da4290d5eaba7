import type { WorkerConfig } from '../config/schema.js';
import { IluvatarError } from '../core/errors.js';
import type { WorkerProfile } from '../telemetry/profile/capture.js';
import {
  type CpuProfile,
  type ProfileRequest,
  profileThisThread,
  type ThreadProfile,
} from '../telemetry/profile/cpu-profile.js';
import type { LifecyclePool } from './lifecycle/pool.js';
import type { ProcessQuestion } from './shard-messages.js';

/** CPU profiles of all threads of a worker at once, each taken by the thread itself. */
export interface ProfilerOptions {
  /** In force. */
  config(): Pick<WorkerConfig, 'name' | 'threads' | 'profiling'>;
  readonly lifecycle: LifecyclePool;
  /** The process: for the main thread, where that is another one than this. */
  ask(question: ProcessQuestion): Promise<unknown>;
}

export class Profiler {
  readonly #options: ProfilerOptions;
  #busy = false;

  constructor(options: ProfilerOptions) {
    this.#options = options;
  }

  /** `only`: these threads; all when absent. Rejects with `unavailable` unless it is allowed, `conflict` while another profile is taken, `invalid` for a thread that is not there. */
  async take(request: ProfileRequest, only?: readonly string[]): Promise<WorkerProfile> {
    const { name, profiling } = this.#options.config();
    if (!profiling.enabled) {
      throw new IluvatarError('unavailable', 'this worker may not be profiled (profiling.enabled)');
    }
    if (this.#busy) throw new IluvatarError('conflict', 'another profile of this worker is being taken');
    this.#busy = true;
    try {
      const wanted = this.#wanted(only);
      const taken = await Promise.all(wanted.map(async ([thread, take]) => ({ thread, profile: await take(request) })));
      // A thread that two were asked of, or that has ended meanwhile.
      const threads = taken.filter((one): one is ThreadProfile => one.profile !== null);
      return { worker: name, ms: request.ms, threads };
    } finally {
      this.#busy = false;
    }
  }

  #wanted(only: readonly string[] | undefined): [string, (request: ProfileRequest) => Promise<CpuProfile | null>][] {
    const { config, lifecycle, ask } = this.#options;
    const { threads } = config();
    const all: [string, (request: ProfileRequest) => Promise<CpuProfile | null>][] = [];
    if (threads) all.push(['main', async (request) => (await ask({ of: 'profile', request })) as CpuProfile | null]);
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
