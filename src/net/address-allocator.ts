import { formatAddress, overlap, type Range, sizeOf } from './range.js';

/**
 * Which bridge and which address a container gets. Bridges have disjoint subnets of one range; a full one opens the next. Pure: it makes nothing, and
 * is told which subnets somebody else uses.
 */
export interface BridgePlan {
  /** 0 for the first. */
  readonly index: number;
  readonly subnet: Range;
  /** The bridge's own address: the first of the subnet. */
  readonly gateway: string;
}

export interface Allocation {
  readonly bridge: BridgePlan;
  /** 0 for the first. */
  readonly port: number;
  readonly address: string;
}

export interface AddressLimits {
  readonly bridges: number;
  readonly portsPerBridge: number;
}

/** Most ports the kernel gives one bridge: it numbers them with ten bits, from 1. */
export const MOST_PORTS = 1023;
/** The subnet's own address, the gateway's, and the broadcast address. */
const RESERVED = 3;

interface OpenBridge {
  readonly plan: BridgePlan;
  readonly taken: Set<number>;
  /** Given back, oldest first: an address rests as long as possible before it is somebody else's. */
  readonly free: number[];
  fresh: number;
}

export class AddressAllocator {
  readonly #range: Range;
  readonly #limits: AddressLimits;
  readonly #used: () => readonly Range[];
  readonly #prefixLength: number;
  readonly #bridges: OpenBridge[] = [];
  #nextSubnet: number;

  /** `used` is asked when a bridge is opened. Throws a RangeError when the range does not hold even one bridge. */
  constructor(range: Range, limits: AddressLimits, used: () => readonly Range[] = () => []) {
    this.#range = range;
    this.#limits = limits;
    this.#used = used;
    this.#prefixLength = 32 - Math.ceil(Math.log2(limits.portsPerBridge + RESERVED));
    this.#nextSubnet = range.first;
    if (this.#prefixLength < range.prefixLength) {
      throw new RangeError(
        `a bridge of ${limits.portsPerBridge} ports needs a /${this.#prefixLength}, the range is a /${range.prefixLength}`,
      );
    }
  }

  get bridges(): BridgePlan[] {
    return this.#bridges.map(({ plan }) => plan);
  }

  get taken(): number {
    return this.#bridges.reduce((sum, { taken }) => sum + taken.size, 0);
  }

  /** So many can be out at once, as the machine's ranges are now. */
  capacity(): number {
    const { bridges, portsPerBridge } = this.#limits;
    const size = sizeOf(this.#prefixLength);
    const end = this.#range.first + sizeOf(this.#range.prefixLength);
    const used = this.#used();
    let open = this.#bridges.length;
    for (let first = this.#nextSubnet; first < end && open < bridges; first += size) {
      if (!used.some((other) => overlap(other, { first, prefixLength: this.#prefixLength }))) open++;
    }
    return open * portsPerBridge;
  }

  /** null = every port of every bridge is taken, or the range has no unused subnet left. */
  take(): Allocation | null {
    const { portsPerBridge } = this.#limits;
    const bridge = this.#bridges.find(({ taken }) => taken.size < portsPerBridge) ?? this.#open();
    if (bridge === null) return null;
    const port = bridge.fresh < portsPerBridge ? bridge.fresh++ : (bridge.free.shift() as number);
    bridge.taken.add(port);
    const { plan } = bridge;
    return { bridge: plan, port, address: formatAddress(plan.subnet.first + 2 + port) };
  }

  /** Only once nothing answers at it any more. Twice is a defect of the caller's: the address would be two containers'. */
  give({ bridge, port }: Allocation): void {
    const open = this.#bridges[bridge.index];
    if (open === undefined || !open.taken.delete(port))
      throw new Error(`port ${port} of ${bridge.gateway} is not taken`);
    open.free.push(port);
  }

  #open(): OpenBridge | null {
    if (this.#bridges.length >= this.#limits.bridges) return null;
    const used = this.#used();
    const end = this.#range.first + sizeOf(this.#range.prefixLength);
    const prefixLength = this.#prefixLength;
    for (; this.#nextSubnet < end; this.#nextSubnet += sizeOf(prefixLength)) {
      const subnet = { first: this.#nextSubnet, prefixLength };
      if (used.some((other) => overlap(other, subnet))) continue;
      this.#nextSubnet += sizeOf(prefixLength);
      const plan = { index: this.#bridges.length, subnet, gateway: formatAddress(subnet.first + 1) };
      const bridge = { plan, taken: new Set<number>(), free: [], fresh: 0 };
      this.#bridges.push(bridge);
      return bridge;
    }
    return null;
  }
}
