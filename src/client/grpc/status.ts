import { ERROR_CLASSES, type ErrorClass, type ErrorDetails, IluvatarError } from '../../core/errors.js';

/** Codes of https://github.com/grpc/grpc/blob/master/doc/statuscodes.md by their number, with the class that says the same to our callers. */
const STATUS: readonly (readonly [name: string, errorClass: ErrorClass])[] = [
  ['OK', 'internal'],
  ['CANCELLED', 'cancelled'],
  ['UNKNOWN', 'internal'],
  ['INVALID_ARGUMENT', 'invalid'],
  ['DEADLINE_EXCEEDED', 'timeout'],
  ['NOT_FOUND', 'not_found'],
  ['ALREADY_EXISTS', 'conflict'],
  ['PERMISSION_DENIED', 'invalid'],
  ['RESOURCE_EXHAUSTED', 'overloaded'],
  ['FAILED_PRECONDITION', 'conflict'],
  ['ABORTED', 'conflict'],
  ['OUT_OF_RANGE', 'invalid'],
  ['UNIMPLEMENTED', 'invalid'],
  ['INTERNAL', 'internal'],
  ['UNAVAILABLE', 'unavailable'],
  ['DATA_LOSS', 'internal'],
  ['UNAUTHENTICATED', 'invalid'],
];

/** What answered without gRPC: a proxy, another server. By https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md. */
const BY_HTTP_STATUS: Readonly<Record<number, ErrorClass>> = {
  400: 'internal',
  401: 'invalid',
  403: 'invalid',
  404: 'invalid',
  429: 'unavailable',
  502: 'unavailable',
  503: 'unavailable',
  504: 'unavailable',
};

/** Trailer in which our worker names the class of its error: several share a code of gRPC. */
const ERROR_CLASS_TRAILER = 'iluvatar-error-class';
/** And its details: JSON, in base64 as all binary metadata. */
const ERROR_DETAILS_TRAILER = 'iluvatar-error-details-bin';

/** The error that headers with a `grpc-status` speak of; null = OK. */
export function errorOf(headers: Readonly<Record<string, unknown>>): IluvatarError | null {
  const code = Number(headers['grpc-status']);
  if (code === 0) return null;
  const [name, byCode] = STATUS[code] ?? [`status ${String(headers['grpc-status'])}`, 'internal' as const];
  const message = percentDecoded(String(headers['grpc-message'] ?? '')) || name;
  const named = headers[ERROR_CLASS_TRAILER];
  return new IluvatarError(isErrorClass(named) ? named : byCode, message, detailsOf(headers[ERROR_DETAILS_TRAILER]));
}

/** For an answer whose `:status` is not 200, or that has no `grpc-status`. */
export function errorOfHttp(status: number): IluvatarError {
  return new IluvatarError(BY_HTTP_STATUS[status] ?? 'internal', `the server answered HTTP ${status} and not gRPC`);
}

const RST_NAMES = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
];

/** For a stream that the server reset with this code of HTTP/2 before it had answered. */
export function errorOfReset(code: number, details: ErrorDetails): IluvatarError {
  const errorClass = code === 8 ? 'cancelled' : code === 11 ? 'overloaded' : 'internal';
  return new IluvatarError(errorClass, `the server reset the call: ${RST_NAMES[code] ?? code}`, details);
}

function isErrorClass(text: unknown): text is ErrorClass {
  return text !== 'ok' && (ERROR_CLASSES as readonly unknown[]).includes(text);
}

/** None when they cannot be read: the error itself is worth more. */
function detailsOf(trailer: unknown): ErrorDetails {
  if (typeof trailer !== 'string') return {};
  try {
    const details: unknown = JSON.parse(Buffer.from(trailer, 'base64').toString());
    return typeof details === 'object' && details !== null ? details : {};
  } catch {
    return {};
  }
}

/** A message may hold anything, a broken escape too: it is then shown as it came. */
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
