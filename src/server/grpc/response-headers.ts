import { fieldsText } from '../../transport/http2.js';
import { ENCODINGS } from './request-headers.js';
import { encodeMessage, GrpcCode, type GrpcFailure } from './status.js';

/** Headers and trailers of answers, as lists of fields; those that are always the same are made once. */

const COMMON = { ':status': 200, 'content-type': 'application/grpc' } as const;

export const RESPONSE_HEADERS = fieldsText(COMMON);
/** Of callers that compress. */
export const RESPONSE_HEADERS_GZIP = fieldsText({
  ...COMMON,
  'grpc-encoding': 'gzip',
  'grpc-accept-encoding': ENCODINGS,
});
export const OK_TRAILERS = fieldsText({ 'grpc-status': GrpcCode.ok });
export const NOT_POST = fieldsText({ ':status': 405, allow: 'POST' });
export const NOT_GRPC = fieldsText({ ':status': 415 });

/** Headers that are the whole answer. */
export function failureHeaders(failure: GrpcFailure): string {
  return fieldsText(COMMON) + closingTrailers(failure);
}

export function closingTrailers({ code, message, trailers }: GrpcFailure): string {
  return fieldsText({ 'grpc-status': code, 'grpc-message': encodeMessage(message), ...trailers });
}
