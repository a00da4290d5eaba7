import { createHash } from 'node:crypto';
import type { Allocation, BridgePlan } from './address-allocator.js';
import { parseAddress } from './range.js';

/** What a worker's links are called. All begin with a prefix of its own, and are at most 15 characters, which is all the kernel takes. */
export class LinkNames {
  /** "il" and six letters or digits, from what makes the worker unique on this machine. */
  readonly prefix: string;

  constructor(owner: string) {
    const number = BigInt(`0x${createHash('sha256').update(owner).digest('hex')}`);
    this.prefix = `il${(number % 36n ** 6n).toString(36).padStart(6, '0')}`;
  }

  bridge({ index }: BridgePlan): string {
    return `${this.prefix}b${index}`;
  }

  /** The host's end of a container's veth pair. */
  port({ bridge, port }: Allocation): string {
    return `${this.prefix}v${(bridge.index * 1024 + port).toString(36)}`;
  }

  /** Ours, and nothing else: a prefix alone could be the beginning of somebody's name. */
  owns({ name, kind }: { name: string; kind: string }): boolean {
    if (!name.startsWith(this.prefix)) return false;
    const rest = name.slice(this.prefix.length);
    return (kind === 'bridge' && /^b\d+$/.test(rest)) || (kind === 'veth' && /^v[0-9a-z]+$/.test(rest));
  }
}

/** Of an address, so that nobody's memory of which MAC has it can be out of date. Locally administered, unicast. */
export function macOf(address: string): string {
  const bytes = (parseAddress(address) as number).toString(16).padStart(8, '0');
  return `02:69:${(bytes.match(/../g) as string[]).join(':')}`;
}

/** The file of a namespace with loopback alone; 1 for the first. */
export function isolatedName(number: number): string {
  return `isolated-${number}`;
}

/** null = no such name. No more digits than a number holds exactly: the next one is counted on from it. */
export function isolatedNumber(name: string): number | null {
  const digits = /^isolated-([1-9]\d{0,14})$/.exec(name)?.[1];
  return digits === undefined ? null : Number(digits);
}
