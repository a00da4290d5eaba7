import { statfsSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { WorkerConfig } from '../config/schema.js';
import { AddressAllocator } from './address-allocator.js';
import type { AddressLease, NamespaceLease } from './leases.js';
import { isolatedNumber, type LinkNames } from './names.js';
import { parseRange } from './range.js';

/** Leases of an earlier process of the worker, in whose namespaces containers live on. */
export interface KeptLeases {
  readonly bridged: readonly AddressLease[];
  readonly isolated: readonly NamespaceLease[];
}

export const NONE_KEPT: KeptLeases = { bridged: [], isolated: [] };

const allocation = z.object({
  bridge: z.object({
    index: z.int(),
    subnet: z.object({ first: z.int(), prefixLength: z.int() }),
    gateway: z.string(),
  }),
  port: z.int(),
  address: z.string(),
});

const leaseSchema = z.union([
  z.object({ name: z.string(), address: z.string(), allocation }),
  z.object({ name: z.string().refine((name) => isolatedNumber(name) !== null), address: z.null() }),
]);

/**
 * Those that this configuration could have handed out. What is malformed, has an address that would not be given to it now, or is named twice is left out: its
 * name is never made a path or a link's.
 */
export function fittingLeases(
  leases: readonly unknown[],
  network: WorkerConfig['network'],
  names: LinkNames,
): KeptLeases {
  const allocator = allocatorOf(network);
  const bridged: AddressLease[] = [];
  const isolated = new Map<string, NamespaceLease>();
  for (const one of leases) {
    const { data } = leaseSchema.safeParse(one);
    if (data === undefined) continue;
    if (data.address === null) {
      isolated.set(data.name, data);
      continue;
    }
    const { name, address } = data;
    const matches = name === names.port(data.allocation) && address === data.allocation.address;
    const taken = matches ? (allocator?.retake(data.allocation) ?? null) : null;
    if (taken !== null) bridged.push({ name, address, allocation: taken });
  }
  return { bridged, isolated: [...isolated.values()] };
}

/** Of the configuration alone: what the machine uses is no matter for a bridge that is there. null = there is no room for one. */
function allocatorOf({ range, bridges, portsPerBridge }: WorkerConfig['network']): AddressAllocator | null {
  const parsed = parseRange(range);
  if (parsed === null) return null;
  try {
    return new AddressAllocator(parsed, { bridges, portsPerBridge });
  } catch {
    return null;
  }
}

/** Of the file system that the kernel shows namespaces in. */
const NSFS_MAGIC = 0x6e736673;

/** Whether a namespace is mounted there, and not only the file that it would be mounted on. */
export function isNamespace(path: string): boolean {
  try {
    return statfsSync(path).type === NSFS_MAGIC;
  } catch {
    return false;
  }
}

/** Leases that are in use by whom nobody knows yet: taken again, for the one who comes and says that it is theirs. */
export class UnclaimedLeases<Lease extends NamespaceLease> {
  readonly #folder: string;
  readonly #leases = new Map<string, Lease>();

  /** `folder`: where namespaces are mounted. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  add(lease: Lease): void {
    this.#leases.set(lease.name, lease);
  }

  /** Ours in place of the caller's copy. null = it is not among them (any more), or its namespace is gone. */
  claim({ name, address }: NamespaceLease): Lease | null {
    const lease = this.#leases.get(name);
    if (lease?.address !== address || !isNamespace(join(this.#folder, name))) return null;
    this.#leases.delete(name);
    return lease;
  }

  /** The rest of them, which nobody can claim afterwards. */
  drain(): Lease[] {
    const left = [...this.#leases.values()];
    this.#leases.clear();
    return left;
  }
}
