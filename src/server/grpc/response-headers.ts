import { ENCODINGS } from './request-headers.js';
import { encodeMessage, GrpcCode, type GrpcFailure } from './status.js';

/** Headers and trailers of answers; those that are always the same are made once. */

const COMMON = { ':status': 200, 'content-type': 'application/grpc' } as const;

export const RESPONSE_HEADERS = { ...COMMON, 'grpc-accept-encoding': ENCODINGS };
export const RESPONSE_HEADERS_GZIP = { ...RESPONSE_HEADERS, 'grpc-encoding': 'gzip' };
export const RESPOND = { waitForTrailers: true };
export const OK_TRAILERS: Readonly<Record<string, string>> = { 'grpc-status': String(GrpcCode.ok) };

/** Headers that are the whole answer. */
export function failureHeaders(failure: GrpcFailure): Record<string, string | number> {
  return { ...COMMON, ...closingTrailers(failure) };
}

export function closingTrailers({ code, message, trailers }: GrpcFailure): Record<string, string> {
  return { 'grpc-status': String(code), 'grpc-message': encodeMessage(message), ...trailers };
}
