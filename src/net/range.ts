/** IPv4 addresses and ranges as numbers. Pure. */
export interface Range {
  /** The first address. */
  readonly first: number;
  readonly prefixLength: number;
}

/** "10.1.0.0/16"; null = no such thing, or an address that is not the first of its range. */
export function parseRange(text: string): Range | null {
  const match = /^(\d{1,3}(?:\.\d{1,3}){3})\/(\d{1,2})$/.exec(text);
  const first = match === null ? null : parseAddress(match[1] as string);
  const prefixLength = Number(match?.[2]);
  if (first === null || prefixLength > 32) return null;
  return first % sizeOf(prefixLength) === 0 ? { first, prefixLength } : null;
}

export function parseAddress(text: string): number | null {
  const parts = text.split('.').map(Number);
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)) return null;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

export function formatRange({ first, prefixLength }: Range): string {
  return `${formatAddress(first)}/${prefixLength}`;
}

export function sizeOf(prefixLength: number): number {
  return 2 ** (32 - prefixLength);
}

export function overlap(a: Range, b: Range): boolean {
  return a.first < b.first + sizeOf(b.prefixLength) && b.first < a.first + sizeOf(a.prefixLength);
}
