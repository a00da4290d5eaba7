import type { GrpcCall } from '../grpc-call.js';
import { frameOf } from '../message-reader.js';
import type { UnaryMethod } from '../method.js';
import { GrpcCode, GrpcFailure } from '../status.js';

/** Methods by their generated codecs, and what of a message cannot be read. */

export interface Decoder<T> {
  decode(bytes: Uint8Array): T;
}

export interface Encoder<T> {
  encode(message: T): { finish(): Uint8Array };
}

/** One message in, one out. What `handle` throws or rejects with fails the call. Not for the hot path: it makes a promise. */
export function unary<Request, Response>(
  request: Decoder<Request>,
  response: Encoder<Response>,
  handle: (request: Request, call: GrpcCall) => Response | Promise<Response>,
): UnaryMethod {
  const serve = async (call: GrpcCall, asked: Request): Promise<void> => {
    try {
      call.answer(frameOf(response.encode(await handle(asked, call)).finish()));
    } catch (error) {
      call.fail(error);
    }
  };
  return {
    kind: 'unary',
    serve: (call, message) =>
      void serve(
        call,
        decoded((bytes) => request.decode(bytes), message),
      ),
  };
}

/** Throws INTERNAL, as other implementations of gRPC do: the caller's own library has made what cannot be read. */
export function decoded<T>(decode: (bytes: Uint8Array) => T, message: Uint8Array): T {
  try {
    return decode(message);
  } catch (error) {
    throw new GrpcFailure(GrpcCode.internal, `the message cannot be read: ${(error as Error).message}`);
  }
}
