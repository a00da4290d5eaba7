import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { resolveDataDir } from '../config/paths.js';
import type { WorkerConfig } from '../config/schema.js';
import { IluvatarError } from '../core/errors.js';
import { native } from '../native.js';
import { AddressAllocator, type Allocation } from './address-allocator.js';
import { hostRanges } from './host-ranges.js';
import { IsolatedNamespaces } from './isolated-namespaces.js';
import type { AddressLease, LeaseSource, LeaseTaken, NamespaceLease } from './leases.js';
import { LinkNames } from './names.js';
import { NamespaceMaker } from './namespace-maker.js';
import { NamespacePool, type PoolActivity, type PoolLog, type PoolOwner } from './namespace-pool.js';
import { enableForwarding, forwards, NatTable } from './nat.js';
import { parseRange, type Range } from './range.js';

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
 * wants it; everything carries the worker's prefix and is removed at the end, or by the next worker of the same name.
 */
export class ContainerNetworks {
  /** Where the namespaces are mounted by name; there from `start` on. */
  readonly folder: string;
  readonly names: LinkNames;
  readonly bridged: LeaseSource<AddressLease>;
  readonly isolated: LeaseSource<NamespaceLease>;
  readonly #config: WorkerConfig['network'];
  readonly #maker: NamespaceMaker;
  readonly #log: PoolLog;
  readonly #activity: PoolActivity | null;
  readonly #nat: NatTable;
  readonly #isolated: IsolatedNamespaces;
  readonly #addresses: (count: number) => void;
  readonly #holders: (() => boolean)[] = [];
  readonly #others: () => readonly Range[];
  #allocator: AddressAllocator | null = null;
  #pool: NamespacePool<Allocation> | null = null;
  #opening: Promise<void> | null = null;
  /** Backends that have started it. */
  #users = 0;
  #failure: string | null = null;

  constructor({ config, log, activity = null, addresses = () => {}, others = () => [], shard = 0 }: NetworksOptions) {
    const dataDir = resolveDataDir(config);
    const { network } = config;
    this.#config = network;
    this.#log = log;
    this.#activity = activity;
    this.#addresses = addresses;
    this.#others = others;
    this.folder = join(dataDir, `networks-${shard}`);
    this.names = new LinkNames(`${config.name}\0${dataDir}\0${shard}`);
    this.#nat = new NatTable(this.names.prefix);
    this.#isolated = new IsolatedNamespaces({ folder: this.folder, marks: network.isolatedPool, log, activity });
    this.#maker = new NamespaceMaker({
      names: this.names,
      folder: this.folder,
      connected: network.connected,
      opened: network.nat ? () => this.#translate() : async () => {},
    });
    this.isolated = this.#isolated;
    this.bridged = {
      take: (taken, urgent) => this.#take(taken, urgent),
      // Closed: it was removed with the rest.
      give: (lease) => this.#pool?.give(lease.allocation),
    };
  }

  /** Removes what an earlier worker of this name left. The caller has made sure that it is gone. */
  async start(): Promise<void> {
    if (this.#users++ > 0) return;
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    if (process.getuid?.() === 0) await this.#sweep();
  }

  /** What an earlier worker of this name left, one name each. Makes nothing. */
  async leftovers(): Promise<string[]> {
    if (process.getuid?.() !== 0) return [];
    const links = (await native().netlink.links(this.names.prefix)).filter((link) => this.names.owns(link));
    return [...links.map(({ name }) => `link ${name}`), ...this.#mounts().map((path) => `network namespace ${path}`)];
  }

  /** Removes them; the caller has made sure that no worker has them. */
  async removeLeftovers(): Promise<void> {
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

  recallFrom(holder: () => boolean): void {
    this.#holders.push(holder);
  }

  /** Each backend that started it stops it; with the last one everything goes. */
  async stop(): Promise<void> {
    if (--this.#users > 0) return;
    await this.#opening?.catch(() => {});
    const pool = this.#pool;
    this.#pool = null;
    this.#opening = null;
    await Promise.all([pool?.close(), this.#isolated.close()]);
    if (pool !== null) await this.#sweep();
  }

  /** Subnets of its bridges. */
  get ranges(): readonly Range[] {
    return this.#allocator?.bridges.map(({ subnet }) => subnet) ?? [];
  }

  /** Sentences for people. */
  notes(): string[] {
    const notes = this.#failure === null ? [] : [`network "bridge" is not available: ${this.#failure}`];
    if (this.#pool !== null && this.#config.nat && !forwards()) {
      notes.push(
        'network.nat is on, and this host forwards nothing (net.ipv4.ip_forward is 0): containers reach only the host. Set it, or network.forwarding to "enable"',
      );
    }
    return notes;
  }

  counters(): Record<string, number> {
    const pool = this.#pool;
    const isolated = this.#isolated.counters();
    if (pool === null) return isolated;
    return {
      ...isolated,
      networkBridges: this.#allocator?.bridges.length ?? 0,
      networksReady: pool.ready,
      networksInUse: pool.inUse,
      networksMade: pool.counters.made,
      networksFailed: pool.counters.failed,
      networkPoolHits: pool.counters.hits,
      networkPoolMisses: pool.counters.misses,
    };
  }

  #take(taken: LeaseTaken<AddressLease>, urgent: boolean): void {
    if (this.#pool === null) {
      const message = this.#failure ?? 'the networks are closed';
      taken(null, { errorClass: 'unavailable', message, details: null, transient: false });
      return;
    }
    this.#pool.take((allocation, failure) => {
      if (allocation === null) taken(null, failure);
      else taken(this.#lease(allocation), null);
    }, urgent);
  }

  #lease(allocation: Allocation): AddressLease {
    return { name: this.#maker.nameOf(allocation), address: allocation.address, allocation };
  }

  async #open(): Promise<void> {
    if (process.getuid?.() !== 0) throw new Error('only root may make bridges');
    const { range, bridges, portsPerBridge, pool, nat, forwarding } = this.#config;
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
    if (nat && forwarding === 'enable') enableForwarding();
    const owner: PoolOwner = {
      recall: () => this.#holders.some((holder) => holder()),
      short: () => this.#count(),
    };
    this.#pool = new NamespacePool(this.#allocator, this.#maker, pool, this.#log, owner, this.#activity);
    this.#count();
    this.#pool.fill();
  }

  #count(): void {
    if (this.#allocator === null || this.#pool === null) return;
    this.#addresses(Math.max(0, this.#allocator.capacity() - this.#pool.lost));
  }

  /** All bridges that were opened: the rules of the new one go in together with theirs. */
  async #translate(): Promise<void> {
    await this.#nat.set((this.#allocator?.bridges ?? []).map(({ subnet }) => subnet));
  }

  /** Links, mounts and the table with our names, whoever made them. */
  async #sweep(): Promise<void> {
    const { netlink } = native();
    // A table is never there without its bridge: it comes later, and goes before.
    const links = (await netlink.links(this.names.prefix)).filter((link) => this.names.owns(link));
    if (links.length > 0) await this.#removeTable();
    await netlink.removeNamespaces(
      this.#mounts(),
      links.map(({ name }) => name),
    );
  }

  #mounts(): string[] {
    return existsSync(this.folder) ? readdirSync(this.folder).map((name) => join(this.folder, name)) : [];
  }

  /** Where there is no NAT now there may have been, and what is in the way of asking must not be in the way of starting. */
  async #removeTable(): Promise<void> {
    try {
      await this.#nat.remove();
    } catch (error) {
      if (this.#config.nat) throw error;
      this.#log.warn(
        { reason: (error as Error).message },
        'whether an old table of nftables is left could not be seen',
      );
    }
  }
}
