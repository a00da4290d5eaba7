import { constants, type ServerHttp2Stream } from 'node:http2';
import { failureHeaders, RESPOND_ALL } from './response-headers.js';
import type { GrpcFailure } from './status.js';

/** Answers without a message. */

/** Ends a stream with a failure, in headers alone, whatever its caller still sends. */
export function refuse(stream: ServerHttp2Stream, failure: GrpcFailure): void {
  if (stream.destroyed || stream.closed) return;
  stream.respond(failureHeaders(failure), RESPOND_ALL);
  // What is still on its way is not waited for: the caller may stop.
  if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
}

/** To what is no gRPC at all. */
export function refuseHttp(stream: ServerHttp2Stream, status: number): void {
  stream.respond(status === 405 ? { ':status': status, allow: 'POST' } : { ':status': status }, { endStream: true });
  if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
}
