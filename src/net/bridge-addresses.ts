import type { WorkerConfig } from '../config/schema.js';
import { AddressAllocator, type Allocation } from './address-allocator.js';
import { hostRanges } from './host-ranges.js';
import { formatRange, parseRange, type Range } from './range.js';

/** Addresses for bridges that somebody else makes (Docker): which bridge and which address, of subnets that nobody has. */
export interface BridgeAddress {
  /** 0 for the first. */
  readonly bridge: number;
  readonly subnet: string;
  readonly gateway: string;
  readonly address: string;
}

export class BridgeAddresses {
  readonly #config: WorkerConfig['network'];
  readonly #others: () => readonly Range[];
  readonly #taken = new Map<string, Allocation>();
  #allocator: AddressAllocator | null = null;

  /** `others`: subnets that are promised already, though no link has them yet. */
  constructor(config: WorkerConfig['network'], others: () => readonly Range[] = () => []) {
    this.#config = config;
    this.#others = others;
  }

  /** Subnets of its bridges. */
  get ranges(): readonly Range[] {
    return this.#allocator?.bridges.map(({ subnet }) => subnet) ?? [];
  }

  /** null = every bridge is full, or the range has no part left that the machine does not use. Throws a RangeError for a range that holds no bridge. */
  take(): BridgeAddress | null {
    const allocation = this.#open().take();
    if (allocation === null) return null;
    const { bridge, address } = allocation;
    this.#taken.set(address, allocation);
    return { bridge: bridge.index, subnet: formatRange(bridge.subnet), gateway: bridge.gateway, address };
  }

  give({ address }: BridgeAddress): void {
    const allocation = this.#taken.get(address);
    if (allocation === undefined) throw new Error(`the address ${address} is not taken`);
    this.#taken.delete(address);
    this.#allocator?.give(allocation);
  }

  #open(): AddressAllocator {
    const { range, bridges, portsPerBridge } = this.#config;
    const parsed = parseRange(range);
    if (parsed === null) throw new RangeError(`network.range "${range}" is no range such as 10.187.0.0/16`);
    const used = (): Range[] => [...hostRanges(), ...this.#others()];
    this.#allocator ??= new AddressAllocator(parsed, { bridges, portsPerBridge }, used);
    return this.#allocator;
  }
}
