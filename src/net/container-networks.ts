import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { resolveDataDir } from '../config/paths.js';
import type { WorkerConfig } from '../config/schema.js';
import { BridgedNamespaces } from './bridged-namespaces.js';
import { IsolatedNamespaces } from './isolated-namespaces.js';
import { fittingLeases, type KeptLeases, NONE_KEPT } from './kept-leases.js';
import type { AddressLease, LeaseSource, NamespaceLease } from './leases.js';
import { LinkNames } from './names.js';
import type { PoolActivity, PoolLog } from './namespace-pool.js';
import { NatTable } from './nat.js';
import { NetworkLeftovers } from './network-leftovers.js';
import type { Range } from './range.js';

export interface NetworksOptions {
  readonly config: WorkerConfig;
  readonly log: PoolLog;
  /** Of the pools of namespaces; null or absent = nobody watches, and they log. */
  readonly activity?: PoolActivity | null;
  /** So many addresses there are, as far as is known now. */
  readonly addresses?: (count: number) => void;
  /** Subnets that are promised to somebody else, though no link has them yet. */
  readonly others?: () => readonly Range[];
  readonly shard?: number;
}

/**
 * The networks of a worker's containers: bridges, addresses, the way out, and the pools of ready namespaces. Nothing is made before the first function that
 * wants it; everything carries the worker's prefix and is removed at the end, or by the next worker of the same name, but for what this one keeps.
 */
export class ContainerNetworks {
  /** Where the namespaces are mounted by name; there from `start` on. */
  readonly folder: string;
  readonly names: LinkNames;
  readonly #config: WorkerConfig['network'];
  readonly #log: PoolLog;
  readonly #bridged: BridgedNamespaces;
  readonly #isolated: IsolatedNamespaces;
  readonly #leftovers: NetworkLeftovers;
  #kept: KeptLeases = NONE_KEPT;
  #starting: Promise<void> | null = null;
  /** Backends that have started it. */
  #users = 0;

  constructor({ config, log, activity = null, addresses = () => {}, others = () => [], shard = 0 }: NetworksOptions) {
    const dataDir = resolveDataDir(config);
    const { network } = config;
    this.#config = network;
    this.#log = log;
    this.folder = join(dataDir, `networks-${shard}`);
    this.names = new LinkNames(`${config.name}\0${dataDir}\0${shard}`);
    const nat = new NatTable(this.names.prefix);
    const { folder, names } = this;
    this.#leftovers = new NetworkLeftovers({ config: network, names, folder, nat, log });
    this.#isolated = new IsolatedNamespaces({ folder, marks: network.isolatedPool, log, activity });
    this.#bridged = new BridgedNamespaces({ config: network, names, folder, nat, log, activity, addresses, others });
  }

  /** After `open`. */
  get bridged(): LeaseSource<AddressLease> {
    return this.#bridged;
  }

  get isolated(): LeaseSource<NamespaceLease> {
    return this.#isolated;
  }

  /**
   * Leases of an earlier process of this worker whose containers live on: `start` leaves alone what they use. Returns those that this configuration could have
   * handed out; whether they are still whole shows when they are reclaimed.
   */
  keep(leases: readonly unknown[]): readonly NamespaceLease[] {
    if (this.#starting !== null) throw new Error('what is to be kept has to be named before the start');
    this.#kept = process.getuid?.() === 0 ? fittingLeases(leases, this.#config, this.names) : NONE_KEPT;
    return [...this.#kept.bridged, ...this.#kept.isolated];
  }

  /** Removes what an earlier worker of this name left, but for what is kept, which can be reclaimed then. The caller has made sure that it is gone. */
  async start(): Promise<void> {
    this.#users++;
    const starting = this.#starting ?? this.#begin();
    this.#starting = starting;
    try {
      await starting;
    } catch (error) {
      this.#users--;
      if (this.#starting === starting) this.#starting = null;
      throw error;
    }
  }

  /** What was kept and nobody has reclaimed goes, as if it had been given back. */
  removeUnclaimed(): void {
    this.#bridged.removeUnclaimed();
    this.#isolated.removeUnclaimed();
  }

  /** What an earlier worker of this name left, one name each. Makes nothing. */
  async leftovers(): Promise<string[]> {
    return process.getuid?.() === 0 ? await this.#leftovers.list() : [];
  }

  /** Removes them; the caller has made sure that no worker has them. */
  async removeLeftovers(): Promise<void> {
    if (process.getuid?.() === 0) await this.#leftovers.remove();
  }

  /** Brings the first bridge up and begins to fill the pool. Rejects with `unavailable` and the reason; the next call tries again. */
  async open(): Promise<void> {
    // Which opens it where addresses are kept.
    await this.#starting?.catch(() => {});
    await this.#bridged.open();
  }

  recallFrom(holder: () => boolean): void {
    this.#bridged.recallFrom(holder);
  }

  /** Each backend that started it stops it; with the last one everything goes. */
  async stop(): Promise<void> {
    if (--this.#users > 0) return;
    await this.#starting?.catch(() => {});
    this.#starting = null;
    const [hasBridges] = await Promise.all([this.#bridged.close(), this.#isolated.close()]);
    if (hasBridges) await this.#leftovers.remove();
  }

  /** Subnets of its bridges. */
  get ranges(): readonly Range[] {
    return this.#bridged.ranges;
  }

  /** Sentences for people. */
  notes(): string[] {
    return this.#bridged.notes();
  }

  counters(): Record<string, number> {
    return { ...this.#isolated.counters(), ...this.#bridged.counters() };
  }

  async #begin(): Promise<void> {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    if (process.getuid?.() !== 0) return;
    const { bridged, isolated } = await this.#leftovers.remove(this.#kept);
    // Here and not when a function wants addresses: until their pool knows them nobody could give one back, and a new one might get the same address.
    if (bridged.length > 0) {
      await this.#bridged.open(bridged).catch(async (error: Error) => {
        this.#log.warn({ reason: error.message }, 'containers with addresses are not kept');
        await this.#leftovers.remove({ bridged: [], isolated });
      });
    }
    this.#isolated.adopt(isolated);
    this.#kept = NONE_KEPT;
  }
}
