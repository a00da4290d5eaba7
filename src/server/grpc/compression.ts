import { gunzip, gunzipSync, gzip } from 'node:zlib';
import { tooLarge } from './message-reader.js';
import { GrpcCode, GrpcFailure } from './status.js';

/** gzip of messages, which never become larger than they may. */

/** `done` has a failure or the message, in a later turn. */
export function inflate(
  bytes: Buffer,
  maxBytes: number,
  done: (failure: GrpcFailure | null, message: Buffer) => void,
): void {
  gunzip(bytes, { maxOutputLength: maxBytes }, (error, message) => {
    done(error === null ? null : failureOf(error, maxBytes), message);
  });
}

/** At once: for messages whose limit is small. */
export function inflateNow(bytes: Buffer, maxBytes: number): Buffer {
  try {
    return gunzipSync(bytes, { maxOutputLength: maxBytes });
  } catch (error) {
    throw failureOf(error as NodeJS.ErrnoException, maxBytes);
  }
}

export function deflate(bytes: Uint8Array, done: (error: Error | null, compressed: Buffer) => void): void {
  gzip(bytes, done);
}

function failureOf(error: NodeJS.ErrnoException, maxBytes: number): GrpcFailure {
  if (error.code === 'ERR_BUFFER_TOO_LARGE') return tooLarge(null, maxBytes);
  return new GrpcFailure(GrpcCode.internal, `a message is not gzip as it says: ${error.message}`);
}
