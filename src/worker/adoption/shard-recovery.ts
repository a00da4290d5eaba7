import type { Backend, PreparedFunction } from '../../backends/backend.js';
import { closeAll, commonFacts } from '../../backends/kept.js';
import type { NetworkLease, Networks } from '../../backends/networks.js';
import type { WorkerConfig } from '../../config/schema.js';
import type { Engine } from '../../core/engine.js';
import type { FunctionRecord } from '../../core/function-record.js';
import { failpoint } from '../../failpoints.js';
import type { HandedOver } from '../../server/hand-over.js';
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
  /** Before any function is registered. */
  knownHandles(handles: ReadonlyMap<string, number>): void;
  /** A client that a process before this one has served. */
  takeOver(client: HandedOver): void;
  registered(key: string, backend: string): { record: FunctionRecord; prepared: PreparedFunction } | null;
}

export class ShardRecovery {
  readonly #options: ShardRecoveryOptions;
  readonly #ended = new AbortController();
  #left: LeftContainer[] = [];
  #clients: HandedOver[] = [];
  /** Of those that were running something: it ends before they answer. */
  #busy: Promise<void> = Promise.resolve();

  constructor(options: ShardRecoveryOptions) {
    this.#options = options;
  }

  async startBackends(): Promise<void> {
    const { holdings, backends, networks } = this.#options;
    const { containers, clients, handles } = await holdings.open();
    failpoint('recovery.listed');
    this.#left = containers;
    this.#clients = clients;
    this.#options.knownHandles(handles);
    networks.keep(this.#left.flatMap(leaseOf));
    for (const backend of backends.values()) await backend.start(keptOf(this.#left, backend.name));
    failpoint('recovery.swept');
  }

  /** Each of them, whatever becomes of another. */
  async stopBackends(): Promise<void> {
    const { backends, log } = this.#options;
    for (const backend of backends.values()) {
      await backend
        .stop()
        .catch((err: unknown) => log.error({ err, backend: backend.name }, 'a backend did not stop cleanly'));
    }
  }

  /** Resolves when those that ran nothing serve on, or are gone; the others follow. */
  async adopt(): Promise<void> {
    const { config, networks } = this.#options;
    const parts = { ...this.#options, answerMs: config.recovery.answerMs, ended: this.#ended.signal };
    const left = this.#left.splice(0);
    const busy = adoptContainers(
      left.filter(({ running }) => running > 0),
      parts,
    );
    await adoptContainers(
      left.filter(({ running }) => running === 0),
      parts,
    );
    failpoint('recovery.adopted');
    this.#busy = busy.then(() => networks.removeUnclaimed());
  }

  /** When all is there that they may ask for. */
  takeOverClients(): void {
    const { takeOver, log } = this.#options;
    for (const client of this.#clients.splice(0)) {
      try {
        takeOver(client);
      } catch (error) {
        log.warn({ edge: client.edge, reason: (error as Error).message }, 'a client could not be taken over');
      }
    }
  }

  /** For health. */
  notes(): string[] {
    return this.#options.holdings.notes();
  }

  /** After the containers are gone. What was never taken over stays with the keeper, for the next who comes within its grace. */
  async end(): Promise<void> {
    this.#ended.abort();
    await this.#busy;
    const untouched = this.#left.splice(0);
    closeAll(untouched.flatMap(({ fds }) => fds));
    closeAll(this.#clients.splice(0).map(({ fd }) => fd));
    await this.#options.holdings.close(untouched.length === 0);
  }
}

function leaseOf({ entry }: LeftContainer): NetworkLease[] {
  const { network = null } = commonFacts.safeParse(entry?.facts).data ?? {};
  return network === null ? [] : [network];
}
