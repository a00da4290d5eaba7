import type { Http2Connection } from '../../transport/http2.js';
import { failureHeaders, NOT_GRPC, NOT_POST } from './response-headers.js';
import type { GrpcFailure } from './status.js';

/** Answers without a message. */

/** Ends a stream with a failure, in headers alone, whatever its caller still sends. */
export function refuse(connection: Http2Connection, stream: number, failure: GrpcFailure): void {
  connection.respond(stream, failureHeaders(failure), null, '', true);
}

/** To what is no gRPC at all. */
export function refuseHttp(connection: Http2Connection, stream: number, status: 405 | 415): void {
  connection.respond(stream, status === 405 ? NOT_POST : NOT_GRPC, null, '', true);
}
