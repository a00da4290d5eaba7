import { UsageError } from './exit-codes.js';

/** Texts of the command line with a meaning: durations, sizes, names with versions, pairs. All throw UsageError. */

const DURATIONS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
/** MiB of one unit; decimal and binary prefixes mean the same, as in `docker run -m`. */
const SIZES: Readonly<Record<string, number>> = { k: 1 / 1024, m: 1, g: 1024, t: 1024 * 1024 };

/** `500`, `500ms`, `1.5s`, `2m`, `1h` → ms; a bare number is ms. */
export function parseDuration(text: string): number {
  return Math.round(parseExactDuration(text));
}

/** The same, with what is less than 1 ms; `0.5ms`, `200us` */
export function parseExactDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(us|ms|s|m|h)?$/i.exec(text.trim());
  if (match === null) throw new UsageError(`"${text}" is not a duration such as 500ms, 10s, 2m or 1h`);
  return Number(match[1]) * (DURATIONS[(match[2] ?? 'ms').toLowerCase()] as number);
}

/** `128`, `128m`, `1.5g`, `512MiB` → MiB; a bare number is MiB. */
export function parseMemory(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(?:([kmgt])(?:i?b)?)?$/i.exec(text.trim());
  if (match === null) throw new UsageError(`"${text}" is not an amount of memory such as 128m or 1g`);
  return Math.ceil(Number(match[1]) * (SIZES[(match[2] ?? 'm').toLowerCase()] as number));
}

export function parseNumber(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) throw new UsageError(`"${text}" is not a number`);
  return value;
}

export function parseInteger(text: string): number {
  const value = parseNumber(text);
  if (!Number.isSafeInteger(value)) throw new UsageError(`"${text}" is not a whole number`);
  return value;
}

/** `name` or `name@version`; the version is 1 unless given. */
export function parseFunction(text: string): { name: string; version: string } {
  const at = text.lastIndexOf('@');
  if (at === 0 || at === text.length - 1) throw new UsageError(`"${text}" is not a function: name or name@version`);
  return at < 0 ? { name: text, version: '1' } : { name: text.slice(0, at), version: text.slice(at + 1) };
}

/** `k=v`, split at the first "=". */
export function parsePair(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at <= 0) throw new UsageError(`"${text}" is not a pair such as name=value`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** For options that may be given again and again. */
export function collect(value: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), value];
}
