import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PrewarmOptions } from '../../config/api.js';
import type { WorkerConfigInput } from '../../config/schema.js';
import { Worker } from '../../worker/worker.js';
import type { LoadAnswer, LoadCall, LoadFunction, LoadTarget } from '../target.js';
import { UnixTarget } from './unix-target.js';

/** For what still runs when the load has ended; ms. */
const DRAIN_MS = 2000;

export interface OwnWorkerOptions {
  readonly config: WorkerConfigInput;
  /** Containers exist in time only. */
  readonly simulated: boolean;
}

/**
 * A worker that lives as long as the load, in this process: its shard has a thread of its own, and is spoken to by its unix socket, so that it competes with the
 * generator for nothing but cores. Its data is in a temporary folder.
 */
export class WorkerTarget implements LoadTarget {
  readonly address: string;
  readonly worker: Worker;
  readonly #folder: string;
  readonly #target: LoadTarget;

  private constructor(address: string, worker: Worker, folder: string, target: LoadTarget) {
    this.address = address;
    this.worker = worker;
    this.#folder = folder;
    this.#target = target;
  }

  static async open({ config, simulated }: OwnWorkerOptions): Promise<WorkerTarget> {
    const folder = mkdtempSync(join(tmpdir(), 'iluvatar-load-'));
    let worker: Worker | null = null;
    try {
      worker = await Worker.start({
        ...config,
        ...(simulated ? simulatedOnly(config) : {}),
        name: `load-${process.pid}`,
        dataDir: join(folder, 'data'),
        socket: join(folder, 'socket'),
        http: { ...config.http, enabled: false },
        threads: true,
      });
      const target = await UnixTarget.open(worker.socketPath, worker.config.transport.maxBodyBytes);
      return new WorkerTarget(simulated ? 'simulated' : 'worker', worker, folder, target);
    } catch (error) {
      await worker?.stop({ drainMs: 0 });
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  get reachableAt(): string {
    return `unix:${this.worker.socketPath}`;
  }

  register(fn: LoadFunction): Promise<void> {
    return this.#target.register(fn);
  }

  prewarm(name: string, options: PrewarmOptions): Promise<void> {
    return this.#target.prewarm(name, options);
  }

  invoke(call: LoadCall): Promise<LoadAnswer> {
    return this.#target.invoke(call);
  }

  clean(): Promise<number> {
    return this.#target.clean();
  }

  async close(): Promise<void> {
    try {
      await this.#target.close();
      await this.worker.stop({ drainMs: DRAIN_MS });
    } finally {
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }
}

function simulatedOnly({ backends }: WorkerConfigInput): WorkerConfigInput {
  return {
    backends: { ...backends, simulated: { ...backends?.simulated, enabled: true } },
    defaultBackends: ['simulated'],
  };
}
