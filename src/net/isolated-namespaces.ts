import { join } from 'node:path';
import { native } from '../native.js';
import type { LeaseSource, LeaseTaken, NamespaceLease } from './leases.js';
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
  #pool: NamespacePool<NamespaceLease> | null = null;

  constructor(options: IsolatedOptions) {
    this.#options = options;
  }

  take(taken: LeaseTaken<NamespaceLease>, urgent: boolean): void {
    const { folder, marks, log, activity } = this.#options;
    this.#pool ??= new NamespacePool(new Names(), new BareMaker(folder), marks, log, null, activity);
    this.#pool.take(taken, urgent);
  }

  give(lease: NamespaceLease): void {
    // Closed: it was removed with the rest.
    this.#pool?.give(lease);
  }

  async close(): Promise<void> {
    const pool = this.#pool;
    this.#pool = null;
    await pool?.close();
  }

  counters(): Record<string, number> {
    const pool = this.#pool;
    return pool === null ? {} : { isolatedNetworksReady: pool.ready, isolatedNetworksInUse: pool.inUse };
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
    return { name: `isolated-${++this.#last}`, address: null };
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
