import { GrpcCode, GrpcFailure } from './status.js';

/** What the headers of a call say, beside its method. */

export type CallHeaders = Readonly<Record<string, string | string[] | undefined>>;

const TIMEOUT_UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };
/** Longer than any timer can be; ms. */
const LONGEST_MS = 2_147_483_647;

/** `grpc-timeout` in ms, at least a part of one; 0 = none. Throws for what is none: a deadline that is not kept is worse than a call that is refused. */
export function timeoutOf(headers: CallHeaders): number {
  const text = headers['grpc-timeout'] as string | undefined;
  if (text === undefined) return 0;
  const unit = TIMEOUT_UNITS[text.slice(-1)];
  const digits = text.slice(0, -1);
  if (unit === undefined || !/^\d{1,8}$/.test(digits)) {
    throw new GrpcFailure(GrpcCode.invalidArgument, `grpc-timeout is malformed: "${text}"`);
  }
  return bounded(Number(digits) * unit);
}

/** The same of its number and the character code of its unit, which were found well formed. */
export function timeoutIn(number: number, unit: number): number {
  return bounded(number * (TIMEOUT_UNITS[String.fromCharCode(unit)] as number));
}

function bounded(ms: number): number {
  return Math.min(LONGEST_MS, Math.max(ms, 0.001));
}

/** `application/grpc`, alone or with what the messages are encoded in, which is protocol buffers here. */
export function isGrpc(contentType: string | undefined): boolean {
  if (contentType === 'application/grpc') return true;
  return contentType !== undefined && /^application\/grpc(\+proto)?\s*(;.*)?$/i.test(contentType);
}

export const ENCODINGS = 'identity,gzip';

/** Whether messages with the compressed flag are gzip. Throws UNIMPLEMENTED for another encoding, and says which there are. */
export function isGzip(headers: CallHeaders): boolean {
  const encoding = headers['grpc-encoding'] as string | undefined;
  if (encoding === undefined || encoding === 'identity') return false;
  if (encoding === 'gzip') return true;
  throw new GrpcFailure(GrpcCode.unimplemented, `messages cannot be compressed by "${encoding}" here`, {
    'grpc-accept-encoding': ENCODINGS,
  });
}

/** Whether the caller reads gzip. */
export function acceptsGzip(headers: CallHeaders): boolean {
  const accepted = headers['grpc-accept-encoding'] as string | undefined;
  return accepted?.split(',').some((one) => one.trim() === 'gzip') === true;
}

/** Metadata of one name; '' = none. Several are joined with ", ", as HTTP has it. */
export function metadataText(headers: CallHeaders, name: string): string {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : (value ?? '');
}
