import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { resolveDataDir } from '../config/paths.js';
import type { WorkerConfig } from '../config/schema.js';
import { IluvatarError } from '../core/errors.js';
import type { ContainerFailure } from '../core/ports.js';
import { native } from '../native.js';
import { AddressAllocator, type Allocation } from './address-allocator.js';
import { hostRanges } from './host-ranges.js';
import { LinkNames } from './names.js';
import { NamespaceMaker } from './namespace-maker.js';
import { NamespacePool, type PoolLog } from './namespace-pool.js';
import { parseRange, type Range } from './range.js';

/**
 * The networks of a worker's containers: bridges, addresses and the pool of ready namespaces. Nothing is made before the first function that
 * wants it; everything carries the worker's prefix and is removed at the end, or by the next worker of the same name.
 */
export interface NetworkLease {
  /** File below `folder`. */
  readonly name: string;
  readonly address: string;
  readonly allocation: Allocation;
}

export type LeaseTaken = (lease: NetworkLease | null, failure: ContainerFailure | null) => void;

export class ContainerNetworks {
  /** Where the namespaces are mounted by name; there from `start` on. */
  readonly folder: string;
  readonly names: LinkNames;
  readonly #config: WorkerConfig['network'];
  readonly #maker: NamespaceMaker;
  readonly #log: PoolLog;
  readonly #others: () => readonly Range[];
  #allocator: AddressAllocator | null = null;
  #pool: NamespacePool | null = null;
  #opening: Promise<void> | null = null;
  #failure: string | null = null;

  /** `others`: subnets that are promised to somebody else, though no link has them yet. */
  constructor(config: WorkerConfig, log: PoolLog, shard = 0, others: () => readonly Range[] = () => []) {
    const dataDir = resolveDataDir(config);
    this.#config = config.network;
    this.#log = log;
    this.#others = others;
    this.folder = join(dataDir, `networks-${shard}`);
    this.names = new LinkNames(`${config.name}\0${dataDir}\0${shard}`);
    this.#maker = new NamespaceMaker({
      names: this.names,
      folder: this.folder,
      connected: config.network.connected,
    });
  }

  /** Removes what an earlier worker of this name left. The caller has made sure that it is gone. */
  async start(): Promise<void> {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    if (process.getuid?.() === 0) await this.#sweep();
  }

  /** Brings the first bridge up and begins to fill the pool. Rejects with `unavailable` and the reason; the next call tries again. */
  open(): Promise<void> {
    this.#opening ??= this.#open().then(
      () => {
        this.#failure = null;
      },
      (error: Error) => {
        this.#opening = null;
        this.#failure = error.message;
        throw new IluvatarError('unavailable', `there is no network "bridge": ${error.message}`);
      },
    );
    return this.#opening;
  }

  /** May answer from inside the call. */
  take(taken: LeaseTaken): void {
    if (this.#pool === null) {
      const message = this.#failure ?? 'the networks are closed';
      taken(null, { errorClass: 'unavailable', message, details: null, transient: false });
      return;
    }
    this.#pool.take((allocation, failure) => {
      if (allocation === null) taken(null, failure);
      else taken({ name: this.#maker.nameOf(allocation), address: allocation.address, allocation }, null);
    });
  }

  /** Its processes are gone. */
  give(lease: NetworkLease): void {
    // Closed: it was removed with the rest.
    this.#pool?.give(lease.allocation);
  }

  async stop(): Promise<void> {
    await this.#opening?.catch(() => {});
    const pool = this.#pool;
    this.#pool = null;
    this.#opening = null;
    await pool?.close();
    if (pool !== null) await this.#sweep();
  }

  /** Subnets of its bridges. */
  get ranges(): readonly Range[] {
    return this.#allocator?.bridges.map(({ subnet }) => subnet) ?? [];
  }

  /** Sentences for people. */
  notes(): string[] {
    return this.#failure === null ? [] : [`network "bridge" is not available: ${this.#failure}`];
  }

  counters(): Record<string, number> {
    const pool = this.#pool;
    if (pool === null) return {};
    return {
      networkBridges: this.#allocator?.bridges.length ?? 0,
      networksReady: pool.ready,
      networksInUse: pool.inUse,
      networksMade: pool.counters.made,
      networksFailed: pool.counters.failed,
      networkPoolHits: pool.counters.hits,
      networkPoolMisses: pool.counters.misses,
    };
  }

  async #open(): Promise<void> {
    if (process.getuid?.() !== 0) throw new Error('only root may make bridges');
    const { range, bridges, portsPerBridge, pool } = this.#config;
    const parsed = parseRange(range);
    if (parsed === null) throw new Error(`network.range "${range}" is no range such as 10.187.0.0/16`);
    const isOwn = (link: string): boolean => link.startsWith(this.names.prefix);
    this.#allocator = new AddressAllocator(parsed, { bridges, portsPerBridge }, () => [
      ...hostRanges(isOwn),
      ...this.#others(),
    ]);
    // The first address tells whether there is room, and its bridge whether the kernel lets us.
    const first = this.#allocator.take();
    if (first === null) throw new Error(`every part of network.range ${range} is used by this machine already`);
    this.#allocator.give(first);
    await this.#maker.ensure(first.bridge);
    this.#pool = new NamespacePool(this.#allocator, this.#maker, pool, this.#log);
    this.#pool.fill();
  }

  /** Links and mounts with our names, whoever made them. */
  async #sweep(): Promise<void> {
    const { netlink } = native();
    const links = (await netlink.links(this.names.prefix)).filter((link) => this.names.owns(link));
    const mounts = readdirSync(this.folder).map((name) => join(this.folder, name));
    await netlink.removeNamespaces(
      mounts,
      links.map(({ name }) => name),
    );
  }
}
