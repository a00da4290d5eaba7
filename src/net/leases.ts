import type { ContainerFailure } from '../core/ports.js';
import type { Allocation } from './address-allocator.js';

/** What is handed out: a namespace that is ready to be entered, by the name of its file. It has loopback alone when it has no address. Plain data, which JSON keeps whole. */
export interface NamespaceLease {
  readonly name: string;
  readonly address: string | null;
}

export interface AddressLease extends NamespaceLease {
  readonly address: string;
  readonly allocation: Allocation;
}

/** Exactly one of the two is null. May be called from inside `take`. */
export type LeaseTaken<Lease> = (lease: Lease | null, failure: ContainerFailure | null) => void;

export interface LeaseSource<Lease> {
  /** `urgent`: somebody waits for it, who comes before what is only made ahead. */
  take(taken: LeaseTaken<Lease>, urgent: boolean): void;
  /** Nothing runs in it any more. */
  give(lease: Lease): void;
  /** As `take` for one of those that were kept. null = it is none of them, or was claimed already, or its namespace is gone. */
  reclaim(lease: NamespaceLease): Lease | null;
}
