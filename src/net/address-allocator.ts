import { isDeepStrictEqual } from 'node:util';
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
  /** By index, in the order in which they fill. */
  readonly #bridges = new Map<number, OpenBridge>();
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
    return [...this.#bridges.values()].map(({ plan }) => plan);
  }

  get taken(): number {
    let sum = 0;
    for (const { taken } of this.#bridges.values()) sum += taken.size;
    return sum;
  }

  /** So many can be out at once, as the machine's ranges are now. */
  capacity(): number {
    const { bridges, portsPerBridge } = this.#limits;
    const size = sizeOf(this.#prefixLength);
    const end = this.#range.first + sizeOf(this.#range.prefixLength);
    const used = this.#unavailable();
    let open = this.#bridges.size;
    for (let first = this.#nextSubnet; first < end && open < bridges; first += size) {
      if (!used.some((other) => overlap(other, { first, prefixLength: this.#prefixLength }))) open++;
    }
    return open * portsPerBridge;
  }

  /** null = every port of every bridge is taken, or the range has no unused subnet left. */
  take(): Allocation | null {
    const { portsPerBridge } = this.#limits;
    const roomy = [...this.#bridges.values()].find(({ taken }) => taken.size < portsPerBridge);
    const bridge = roomy ?? this.#openNext();
    if (bridge === null) return null;
    const port = bridge.fresh < portsPerBridge ? bridge.fresh++ : (bridge.free.shift() as number);
    return take(bridge, port);
  }

  /**
   * Takes the very address that an earlier allocator handed out, on its bridge. null = this one could not hand it out (its range, the size or the number of
   * its bridges are others), or it is taken.
   */
  retake({ bridge: { index, subnet, gateway }, port, address }: Allocation): Allocation | null {
    const { portsPerBridge } = this.#limits;
    const known = this.#bridges.get(index);
    const plan = planOf(index, subnet);
    const fits = known === undefined ? this.#hasRoomFor(plan) : isDeepStrictEqual(known.plan, plan);
    if (!fits || gateway !== plan.gateway) return null;
    if (!Number.isInteger(port) || port < 0 || port >= portsPerBridge || address !== addressOf(plan, port)) return null;
    if (known?.taken.has(port)) return null;
    const bridge = known ?? this.#open(plan);
    // What lies below `fresh` is either taken or free: an address that were neither or both would be handed out never, or twice.
    while (bridge.fresh <= port) bridge.free.push(bridge.fresh++);
    bridge.free.splice(bridge.free.indexOf(port), 1);
    return take(bridge, port);
  }

  /** Only once nothing answers at it any more. Twice is a defect of the caller's: the address would be two containers'. */
  give({ bridge, port }: Allocation): void {
    const open = this.#bridges.get(bridge.index);
    if (open === undefined || !open.taken.delete(port))
      throw new Error(`port ${port} of ${bridge.gateway} is not taken`);
    open.free.push(port);
  }

  /** Could be the plan of one more bridge of this allocator's. */
  #hasRoomFor({ index, subnet }: BridgePlan): boolean {
    if (!Number.isInteger(index) || index < 0 || index >= this.#limits.bridges) return false;
    const offset = subnet.first - this.#range.first;
    const size = sizeOf(this.#prefixLength);
    const isPart = offset >= 0 && offset % size === 0 && offset + size <= sizeOf(this.#range.prefixLength);
    return isPart && subnet.prefixLength === this.#prefixLength && !this.#own().some((own) => overlap(own, subnet));
  }

  #openNext(): OpenBridge | null {
    if (this.#bridges.size >= this.#limits.bridges) return null;
    const used = this.#unavailable();
    const end = this.#range.first + sizeOf(this.#range.prefixLength);
    const prefixLength = this.#prefixLength;
    for (; this.#nextSubnet < end; this.#nextSubnet += sizeOf(prefixLength)) {
      const subnet = { first: this.#nextSubnet, prefixLength };
      if (used.some((other) => overlap(other, subnet))) continue;
      this.#nextSubnet += sizeOf(prefixLength);
      let index = 0;
      while (this.#bridges.has(index)) index++;
      return this.#open(planOf(index, subnet));
    }
    return null;
  }

  #open(plan: BridgePlan): OpenBridge {
    const bridge = { plan, taken: new Set<number>(), free: [], fresh: 0 };
    this.#bridges.set(plan.index, bridge);
    return bridge;
  }

  /** Subnets that no further bridge can have. Its own too: one that was taken again may lie before those that come next. */
  #unavailable(): Range[] {
    return [...this.#used(), ...this.#own()];
  }

  #own(): Range[] {
    return this.bridges.map(({ subnet }) => subnet);
  }
}

function planOf(index: number, { first, prefixLength }: Range): BridgePlan {
  return { index, subnet: { first, prefixLength }, gateway: formatAddress(first + 1) };
}

function addressOf({ subnet }: BridgePlan, port: number): string {
  return formatAddress(subnet.first + 2 + port);
}

function take(bridge: OpenBridge, port: number): Allocation {
  bridge.taken.add(port);
  return { bridge: bridge.plan, port, address: addressOf(bridge.plan, port) };
}
