import { ENCODINGS } from './request-headers.js';
import { encodeMessage, GrpcCode, type GrpcFailure } from './status.js';

/** Headers and trailers of answers; those that are always the same are made once. */

const COMMON = { ':status': 200, 'content-type': 'application/grpc' } as const;

/** As few as there can be: each costs Node a look-up and an allocation or two. */
export const RESPONSE_HEADERS = { ...COMMON };
/** Of callers that compress. */
export const RESPONSE_HEADERS_GZIP = { ...COMMON, 'grpc-encoding': 'gzip', 'grpc-accept-encoding': ENCODINGS };
export const RESPOND = { waitForTrailers: true, sendDate: false };
export const RESPOND_ALL = { endStream: true, sendDate: false };
export const OK_TRAILERS: Readonly<Record<string, string>> = { 'grpc-status': String(GrpcCode.ok) };

/** Headers that are the whole answer. */
export function failureHeaders(failure: GrpcFailure): Record<string, string | number> {
  return { ...COMMON, ...closingTrailers(failure) };
}

export function closingTrailers({ code, message, trailers }: GrpcFailure): Record<string, string> {
  return { 'grpc-status': String(code), 'grpc-message': encodeMessage(message), ...trailers };
}
