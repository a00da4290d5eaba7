import type { ErrorClass, ErrorDetails } from '../../core/errors.js';
import { IluvatarError } from '../../core/errors.js';

/** How a call over gRPC ends: the protocol's status codes, one for each error class, and a failure that is to have a code of its own. */

export const GrpcCode = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;
export type GrpcCode = (typeof GrpcCode)[keyof typeof GrpcCode];

/** The class is the truth (it is in a trailer of its own); the code is for clients and proxies that know nothing of us. */
export const CODE_OF_CLASS: Readonly<Record<ErrorClass, GrpcCode>> = {
  invalid: GrpcCode.invalidArgument,
  not_found: GrpcCode.notFound,
  conflict: GrpcCode.alreadyExists,
  too_large: GrpcCode.resourceExhausted,
  user_error: GrpcCode.unknown,
  overloaded: GrpcCode.resourceExhausted,
  cancelled: GrpcCode.cancelled,
  internal: GrpcCode.internal,
  crashed: GrpcCode.aborted,
  start_failed: GrpcCode.failedPrecondition,
  unavailable: GrpcCode.unavailable,
  timeout: GrpcCode.deadlineExceeded,
  out_of_memory: GrpcCode.resourceExhausted,
};

/** A failure of the protocol itself, with the code that its specification demands. */
export class GrpcFailure extends Error {
  readonly code: GrpcCode;
  readonly trailers: Readonly<Record<string, string>>;
  constructor(code: GrpcCode, message: string, trailers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.code = code;
    this.trailers = trailers;
  }
}

/** What a caller is told of an error; what is no IluvatarError is a defect, of which only the log has more. */
export function failureOf(error: unknown): GrpcFailure {
  if (error instanceof GrpcFailure) return error;
  const known =
    error instanceof IluvatarError
      ? error
      : new IluvatarError('internal', 'a defect of the worker; its log has the cause');
  return failureOfClass(known.errorClass, known.message, known.details);
}

/** The message as text, the class and all details in trailers. */
export function failureOfClass(errorClass: ErrorClass, message: string, details: ErrorDetails): GrpcFailure {
  const trailers: Record<string, string> = { 'iluvatar-error-class': errorClass };
  if (Object.keys(details).length > 0) {
    trailers['iluvatar-error-details-bin'] = boundedDetails(details).toString('base64');
  }
  // Clients that try again by themselves wait so long (gRFC A6).
  if (details.retryAfterMs !== undefined) trailers['grpc-retry-pushback-ms'] = String(Math.ceil(details.retryAfterMs));
  return new GrpcFailure(CODE_OF_CLASS[errorClass], message, trailers);
}

/** Clients refuse headers above some size (8 KiB is the least that the protocol lets them), and with them the whole answer. */
const MAX_DETAILS = 4 * 1024;

function boundedDetails(details: ErrorDetails): Buffer {
  const whole = Buffer.from(JSON.stringify(details));
  if (whole.length <= MAX_DETAILS) return whole;
  const { traceback: _traceback, stdout: _stdout, stderr: _stderr, ...rest } = details;
  const short = Buffer.from(JSON.stringify(rest));
  return short.length <= MAX_DETAILS ? short : Buffer.from('{}');
}

const MAX_MESSAGE = 2 * 1024;

/** `grpc-message` as the protocol has it: UTF-8, and what is not printable ASCII, or "%", as %XX. Cut where it is too long for a header. */
export function encodeMessage(text: string): string {
  let encoded = '';
  for (const byte of Buffer.from(text)) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    if (encoded.length >= MAX_MESSAGE) return `${cutAtCharacter(encoded)}...`;
  }
  return encoded;
}

/** Half of a character would not be UTF-8. */
function cutAtCharacter(encoded: string): string {
  return encoded.replace(/(%[89A-F][0-9A-F])+$/, '');
}
