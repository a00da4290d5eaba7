import type { WorkerConfig } from '../config/schema.js';
import { IluvatarError } from '../core/errors.js';
import { AddressAllocator, type Allocation } from './address-allocator.js';
import { hostRanges } from './host-ranges.js';
import { UnclaimedLeases } from './kept-leases.js';
import type { AddressLease, LeaseSource, LeaseTaken, NamespaceLease } from './leases.js';
import type { LinkNames } from './names.js';
import { NamespaceMaker } from './namespace-maker.js';
import { NamespacePool, type PoolActivity, type PoolLog, type PoolOwner } from './namespace-pool.js';
import { enableForwarding, forwards, type NatTable } from './nat.js';
import { parseRange, type Range } from './range.js';

export interface BridgedOptions {
  readonly config: WorkerConfig['network'];
  readonly names: LinkNames;
  /** Where namespaces are mounted. */
  readonly folder: string;
  readonly nat: NatTable;
  readonly log: PoolLog;
  readonly activity: PoolActivity | null;
  /** So many addresses there are, as far as is known now. */
  readonly addresses: (count: number) => void;
  /** Subnets that are promised to somebody else, though no link has them yet. */
  readonly others: () => readonly Range[];
}

/** Namespaces with an address on a bridge, made ahead, and what they need: bridges, and the way out. Nothing is made before `open`. */
export class BridgedNamespaces implements LeaseSource<AddressLease> {
  readonly #options: BridgedOptions;
  readonly #maker: NamespaceMaker;
  readonly #unclaimed: UnclaimedLeases<AddressLease>;
  readonly #holders: (() => boolean)[] = [];
  #allocator: AddressAllocator | null = null;
  #pool: NamespacePool<Allocation> | null = null;
  #opening: Promise<void> | null = null;
  #failure: string | null = null;

  constructor(options: BridgedOptions) {
    const { config, names, folder } = options;
    this.#options = options;
    this.#unclaimed = new UnclaimedLeases(folder);
    this.#maker = new NamespaceMaker({
      names,
      folder,
      connected: config.connected,
      opened: config.nat ? () => this.#translate() : async () => {},
    });
  }

  /**
   * Brings the first bridge up, or takes over those of the leases that were kept, which then wait to be claimed, and begins to fill the pool. Rejects with
   * `unavailable` and the reason; the next call tries again.
   */
  open(kept: readonly AddressLease[] = []): Promise<void> {
    this.#opening ??= this.#open(kept).then(
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

  take(taken: LeaseTaken<AddressLease>, urgent: boolean): void {
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

  give(lease: AddressLease): void {
    // Closed: it was removed with the rest.
    this.#pool?.give(lease.allocation);
  }

  reclaim(lease: NamespaceLease): AddressLease | null {
    return this.#unclaimed.claim(lease);
  }

  removeUnclaimed(): void {
    for (const lease of this.#unclaimed.drain()) this.give(lease);
  }

  recallFrom(holder: () => boolean): void {
    this.#holders.push(holder);
  }

  /** Resolves when every namespace is removed. Bridges and the table stay: true = there are such. */
  async close(): Promise<boolean> {
    await this.#opening?.catch(() => {});
    const pool = this.#pool;
    this.#pool = null;
    this.#opening = null;
    this.#unclaimed.drain();
    await pool?.close();
    return pool !== null;
  }

  /** Subnets of its bridges. */
  get ranges(): readonly Range[] {
    return this.#allocator?.bridges.map(({ subnet }) => subnet) ?? [];
  }

  /** Sentences for people. */
  notes(): string[] {
    const notes = this.#failure === null ? [] : [`network "bridge" is not available: ${this.#failure}`];
    if (this.#pool !== null && this.#options.config.nat && !forwards()) {
      notes.push(
        'network.nat is on, and this host forwards nothing (net.ipv4.ip_forward is 0): containers reach only the host. Set it, or network.forwarding to "enable"',
      );
    }
    return notes;
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

  async #open(kept: readonly AddressLease[]): Promise<void> {
    if (process.getuid?.() !== 0) throw new Error('only root may make bridges');
    const { config, names, log, activity, others } = this.#options;
    const { range, bridges, portsPerBridge, nat, forwarding } = config;
    const parsed = parseRange(range);
    if (parsed === null) throw new Error(`network.range "${range}" is no range such as 10.187.0.0/16`);
    const isOwn = (link: string): boolean => link.startsWith(names.prefix);
    const used = (): Range[] => [...hostRanges(isOwn), ...others()];
    const allocator = new AddressAllocator(parsed, { bridges, portsPerBridge }, used);
    this.#allocator = allocator;
    const retaken = kept.map(({ allocation }) => allocator.retake(allocation)).filter((one) => one !== null);
    if (retaken.length === 0) await this.#openFirst(allocator);
    else if (nat) await this.#translate();
    if (nat && forwarding === 'enable') enableForwarding();
    // Not before nothing can fail any more: bridges that cannot be taken over go, and are then made anew.
    for (const bridge of allocator.bridges) this.#maker.adopt(bridge);
    const owner: PoolOwner = {
      recall: () => this.#holders.some((holder) => holder()),
      short: () => this.#count(),
    };
    const pool = new NamespacePool(allocator, this.#maker, config.pool, log, owner, activity);
    this.#pool = pool;
    for (const allocation of retaken) {
      pool.adopt(allocation);
      this.#unclaimed.add(this.#lease(allocation));
    }
    this.#count();
    pool.fill();
  }

  /** An address tells whether there is room, and its bridge whether the kernel lets us. */
  async #openFirst(allocator: AddressAllocator): Promise<void> {
    const first = allocator.take();
    if (first === null) {
      throw new Error(`every part of network.range ${this.#options.config.range} is used by this machine already`);
    }
    allocator.give(first);
    await this.#maker.ensure(first.bridge);
  }

  #lease(allocation: Allocation): AddressLease {
    return { name: this.#maker.nameOf(allocation), address: allocation.address, allocation };
  }

  #count(): void {
    if (this.#allocator === null || this.#pool === null) return;
    this.#options.addresses(Math.max(0, this.#allocator.capacity() - this.#pool.lost));
  }

  /** All bridges that were opened: the rules of the new one go in together with theirs. */
  async #translate(): Promise<void> {
    await this.#options.nat.set([...this.ranges]);
  }
}
