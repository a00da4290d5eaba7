import { closeSync } from 'node:fs';
import type { Backend, PreparedFunction } from '../../backends/backend.js';
import { commonFacts } from '../../backends/kept.js';
import type { NetworkLease, Networks } from '../../backends/networks.js';
import type { WorkerConfig } from '../../config/schema.js';
import type { Engine } from '../../core/engine.js';
import type { FunctionRecord } from '../../core/function-record.js';
import type { Log } from '../../telemetry/logs/log.js';
import type { ContainerDriver } from '../container-driver.js';
import { adoptContainers, keptOf } from './adopt-containers.js';
import type { Holdings, LeftContainer } from './holdings.js';

/**
 * How a shard begins where another one ended, whether that was this process's or not: asks what is left, has the backends and networks spare it, and, once the functions are registered again, takes it over.
 */

export interface ShardRecoveryOptions {
  readonly config: WorkerConfig;
  readonly log: Log;
  readonly holdings: Holdings;
  readonly backends: ReadonlyMap<string, Backend>;
  readonly networks: Pick<Networks, 'keep' | 'removeUnclaimed'>;
  readonly engine: Engine;
  readonly driver: ContainerDriver;
  registered(key: string, backend: string): { record: FunctionRecord; prepared: PreparedFunction } | null;
}

export class ShardRecovery {
  readonly #options: ShardRecoveryOptions;
  #left: LeftContainer[] = [];

  constructor(options: ShardRecoveryOptions) {
    this.#options = options;
  }

  async startBackends(): Promise<void> {
    const { holdings, backends, networks } = this.#options;
    this.#left = await holdings.open();
    networks.keep(this.#left.flatMap(leaseOf));
    for (const backend of backends.values()) await backend.start(keptOf(this.#left, backend.name));
  }

  async adopt(): Promise<void> {
    const left = this.#left.splice(0);
    const { config, networks } = this.#options;
    await adoptContainers(left, { ...this.#options, answerMs: config.recovery.answerMs });
    networks.removeUnclaimed();
  }

  /** For health. */
  notes(): string[] {
    return this.#options.holdings.notes();
  }

  /** After the containers are gone. What was never taken over stays with the keeper, for the next who comes within its grace. */
  async end(): Promise<void> {
    const untouched = this.#left.splice(0);
    for (const fd of untouched.flatMap(({ fds }) => fds)) closeSync(fd);
    await this.#options.holdings.close(untouched.length === 0);
  }
}

function leaseOf({ entry }: LeftContainer): NetworkLease[] {
  const { network = null } = commonFacts.safeParse(entry?.facts).data ?? {};
  return network === null ? [] : [network];
}
