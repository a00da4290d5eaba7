import type { ContainerFailure } from '../../core/ports.js';

/** A network namespace that is ready to be entered, and the address at which the container in it answers. */
export interface NetworkLease {
  /** File below `Networks.folder`. */
  readonly name: string;
  readonly address: string;
}

/** Where containers with network "bridge" get theirs from. Implemented by `net/`, handed in by the worker. */
export interface Networks<Lease extends NetworkLease = NetworkLease> {
  /** There from `start` on. */
  readonly folder: string;
  /** Removes what an earlier worker of this name left. */
  start(): Promise<void>;
  /** Before the first lease. Rejects with `unavailable` and the reason. */
  open(): Promise<void>;
  /** Exactly one of the two is null. May answer from inside the call. */
  take(taken: (lease: Lease | null, failure: ContainerFailure | null) => void): void;
  /** Once nothing runs in it any more. */
  give(lease: Lease): void;
  stop(): Promise<void>;
  notes(): string[];
  counters(): Record<string, number>;
}
