import { join } from 'node:path';
import { native } from '../native.js';
import { UnclaimedLeases } from './kept-leases.js';
import type { LeaseSource, LeaseTaken, NamespaceLease } from './leases.js';
import { isolatedName, isolatedNumber } from './names.js';
import {
  type Maker,
  NamespacePool,
  type PoolActivity,
  type PoolLog,
  type PoolMarks,
  type Supply,
} from './namespace-pool.js';

/**
 * Namespaces with nothing but loopback, made ahead: for container engines that would make one while a start waits. Each has a name of its own, used once. The
 * pool fills itself from the first that is taken on.
 */
export class IsolatedNamespaces implements LeaseSource<NamespaceLease> {
  readonly #options: IsolatedOptions;
  readonly #unclaimed: UnclaimedLeases<NamespaceLease>;
  readonly #names = new Names();
  #pool: NamespacePool<NamespaceLease> | null = null;

  constructor(options: IsolatedOptions) {
    this.#options = options;
    this.#unclaimed = new UnclaimedLeases(options.folder);
  }

  take(taken: LeaseTaken<NamespaceLease>, urgent: boolean): void {
    this.#open().take(taken, urgent);
  }

  /** Made in an earlier life, in use, and waiting to be claimed. Makes none. */
  adopt(leases: readonly NamespaceLease[]): void {
    for (const lease of leases) {
      this.#names.retake(lease);
      this.#open().adopt(lease);
      this.#unclaimed.add(lease);
    }
  }

  reclaim(lease: NamespaceLease): NamespaceLease | null {
    return this.#unclaimed.claim(lease);
  }

  removeUnclaimed(): void {
    for (const lease of this.#unclaimed.drain()) this.give(lease);
  }

  give(lease: NamespaceLease): void {
    // Closed: it was removed with the rest.
    this.#pool?.give(lease);
  }

  async close(): Promise<void> {
    const pool = this.#pool;
    this.#pool = null;
    this.#unclaimed.drain();
    await pool?.close();
  }

  counters(): Record<string, number> {
    const pool = this.#pool;
    return pool === null ? {} : { isolatedNetworksReady: pool.ready, isolatedNetworksInUse: pool.inUse };
  }

  #open(): NamespacePool<NamespaceLease> {
    const { folder, marks, log, activity } = this.#options;
    this.#pool ??= new NamespacePool(this.#names, new BareMaker(folder), marks, log, null, activity);
    return this.#pool;
  }
}

export interface IsolatedOptions {
  /** Where namespaces are mounted. */
  readonly folder: string;
  readonly marks: PoolMarks;
  readonly log: PoolLog;
  readonly activity: PoolActivity | null;
}

/** There is no end of them. */
class Names implements Supply<NamespaceLease> {
  taken = 0;
  #last = 0;

  take(): NamespaceLease {
    this.taken++;
    return { name: isolatedName(++this.#last), address: null };
  }

  /** Those after it have other names. */
  retake({ name }: NamespaceLease): void {
    this.taken++;
    this.#last = Math.max(this.#last, isolatedNumber(name) ?? 0);
  }

  give(): void {
    this.taken--;
  }
}

class BareMaker implements Maker<NamespaceLease> {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async make(leases: readonly NamespaceLease[]): Promise<(Error | null)[]> {
    try {
      return await native().netlink.createBareNamespaces(this.#paths(leases));
    } catch (error) {
      return leases.map(() => error as Error);
    }
  }

  async remove(leases: readonly NamespaceLease[]): Promise<void> {
    await native().netlink.removeNamespaces(this.#paths(leases), []);
  }

  #paths(leases: readonly NamespaceLease[]): string[] {
    return leases.map(({ name }) => join(this.#folder, name));
  }
}
