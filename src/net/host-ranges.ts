import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { parseAddress, type Range, sizeOf } from './range.js';

/** The ranges that this machine's links and routes use already, except those of links that `own` recognises. */
export function hostRanges(own: (link: string) => boolean = () => false): Range[] {
  const ranges: Range[] = [];
  for (const [link, addresses] of Object.entries(networkInterfaces())) {
    for (const { family, address, cidr } of own(link) ? [] : (addresses ?? [])) {
      if (family === 'IPv4') add(ranges, parseAddress(address), Number(cidr?.split('/')[1] ?? 32));
    }
  }
  return [...ranges, ...routedRanges(readRoutes(), own)];
}

/** What /proc/net/route lists: `link destination gateway flags refcnt use metric mask …`, numbers in hexadecimal and host order. */
export function routedRanges(text: string, own: (link: string) => boolean = () => false): Range[] {
  const ranges: Range[] = [];
  for (const line of text.split('\n').slice(1)) {
    const [link = '', destination = '', , , , , , mask = ''] = line.split('\t');
    if (!/^[0-9A-F]{8}$/.test(destination) || !/^[0-9A-F]{8}$/.test(mask) || own(link)) continue;
    const prefixLength = fromHost(mask).toString(2).replaceAll('0', '').length;
    // The default route leads everywhere and uses nothing.
    if (prefixLength > 0) add(ranges, fromHost(destination), prefixLength);
  }
  return ranges;
}

function add(ranges: Range[], address: number | null, prefixLength: number): void {
  if (address === null) return;
  ranges.push({ first: address - (address % sizeOf(prefixLength)), prefixLength });
}

function fromHost(hex: string): number {
  return Number.parseInt((hex.match(/../g) as string[]).reverse().join(''), 16);
}

function readRoutes(): string {
  try {
    return readFileSync('/proc/net/route', 'utf8');
  } catch {
    // A kernel without IPv4 has no such list, and no bridges for it either.
    return '';
  }
}
