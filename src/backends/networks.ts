import type { ContainerFailure } from '../core/ports.js';

/**
 * A network namespace that is ready to be entered, mounted at `<folder>/<name>`: by `setns`, or as the path of an OCI container's network namespace. Plain data with
 * fields of its source's own: written as JSON, it can be kept for a later process.
 */
export interface NetworkLease {
  /** File below `Networks.folder`. */
  readonly name: string;
  /** At which the container in it answers; null = it has loopback alone. */
  readonly address: string | null;
}

/** Exactly one of the two is null. May be called from inside `take`. */
export type NetworkTaken<Lease> = (lease: Lease | null, failure: ContainerFailure | null) => void;

/** Ready namespaces of one kind. One that a container ran in is never handed out again. */
export interface NamespaceSource<Lease extends NetworkLease = NetworkLease> {
  /** `urgent`: a start waits for it. What is only made ahead gets none when there are few. */
  take(taken: NetworkTaken<Lease>, urgent: boolean): void;
  /** Once nothing runs in it any more. The very lease that `take` or `reclaim` handed out, not a copy. */
  give(lease: Lease): void;
  /**
   * After `start`, for a container that an earlier process began: as `take`, for this lease of that process. null = it is none of those that were kept, is not whole any
   * more, or was reclaimed already: the container has no network and must go.
   */
  reclaim(lease: NetworkLease): Lease | null;
}

export interface AddressLease extends NetworkLease {
  readonly address: string;
}

/** Where containers get their network namespaces from. Implemented by `net/`, handed in by the worker. */
export interface Networks {
  /** There from `start` on. */
  readonly folder: string;
  /** Of containers with network "bridge". After `open`. */
  readonly bridged: NamespaceSource<AddressLease>;
  /** Of containers with network "none", for engines that would else make one during the start. Root only; what takes none costs nothing. null = the engine makes them. */
  readonly isolated: NamespaceSource | null;
  /**
   * Before `start`, once: leases of an earlier process of this worker, read back from JSON, whose containers live on. They are checked: what is malformed, or would not be
   * handed out under the present configuration, is not kept. Returns those that are; whether they are whole shows when they are reclaimed.
   */
  keep(leases: readonly unknown[]): readonly NetworkLease[];
  /** Removes what an earlier worker of this name left, but for what is kept. By each backend that uses it; the first one counts, and all wait for it. */
  start(): Promise<void>;
  /** When everybody has reclaimed what is theirs: what else was kept is removed, in the background. */
  removeUnclaimed(): void;
  /** Before the first namespace with an address. Rejects with `unavailable` and the reason. */
  open(): Promise<void>;
  /**
   * Whoever keeps namespaces with addresses ready for nobody in particular is asked for one when all are out and a start waits: true = one will be given back.
   */
  recallFrom(holder: () => boolean): void;
  /** By each that has started it; with the last one everything goes. */
  stop(): Promise<void>;
  notes(): string[];
  counters(): Record<string, number>;
}
