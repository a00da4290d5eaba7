import { GrpcCode, GrpcFailure } from './status.js';

/**
 * Messages out of the DATA frames of a call, however they are cut: each is a byte of flags, four of length (big-endian) and that many bytes. The usual one, a small message
 * alone in its frame, is neither copied nor kept.
 */

export const PREFIX_BYTES = 5;

export interface MessageSink {
  /** A whole message; a view that is the sink's own. */
  message(bytes: Buffer, compressed: boolean): void;
}

export class MessageReader {
  readonly #maxBytes: number;
  readonly #sink: MessageSink;
  /** Not enough of them for what comes next; joined only when there are. */
  #kept: Buffer[] = [];
  #keptBytes = 0;
  /** How many it takes until something can be said. */
  #wanted = PREFIX_BYTES;

  constructor(maxBytes: number, sink: MessageSink) {
    this.#maxBytes = maxBytes;
    this.#sink = sink;
  }

  /** The other side may not end here. */
  get inMessage(): boolean {
    return this.#keptBytes > 0;
  }

  /** Throws a GrpcFailure for a message that is too large or no message; nothing may be read after that. */
  read(chunk: Buffer): void {
    let bytes = chunk;
    if (this.#keptBytes > 0) {
      this.#kept.push(chunk);
      this.#keptBytes += chunk.length;
      if (this.#keptBytes < this.#wanted) return;
      bytes = Buffer.concat(this.#kept, this.#keptBytes);
      this.#kept = [];
      this.#keptBytes = 0;
    }
    let at = 0;
    this.#wanted = PREFIX_BYTES;
    while (bytes.length - at >= PREFIX_BYTES) {
      const end = at + PREFIX_BYTES + lengthOf(bytes, at, this.#maxBytes);
      if (end > bytes.length) {
        this.#wanted = end - at;
        break;
      }
      this.#sink.message(bytes.subarray(at + PREFIX_BYTES, end), bytes[at] === 1);
      at = end;
    }
    if (at === bytes.length) return;
    this.#kept.push(at === 0 ? bytes : bytes.subarray(at));
    this.#keptBytes = bytes.length - at;
  }
}

function lengthOf(bytes: Buffer, at: number, maxBytes: number): number {
  if ((bytes[at] as number) > 1) throw new GrpcFailure(GrpcCode.internal, 'a message has flags that nobody knows');
  const length = bytes.readUInt32BE(at + 1);
  if (length > maxBytes) throw tooLarge(length, maxBytes);
  return length;
}

export function tooLarge(bytes: number | null, maxBytes: number): GrpcFailure {
  const size = bytes === null ? 'the message' : `the message of ${bytes} bytes`;
  return new GrpcFailure(GrpcCode.resourceExhausted, `${size} is over the limit of ${maxBytes} bytes`);
}

/** A message with its prefix. */
export function frameOf(message: Uint8Array, compressed = false): Buffer {
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  writePrefix(frame, message.length, compressed);
  frame.set(message, PREFIX_BYTES);
  return frame;
}

/** Into the first bytes of `frame`, whose message has `bytes`. */
export function writePrefix(frame: Buffer, bytes: number, compressed = false): void {
  frame[0] = compressed ? 1 : 0;
  frame.writeUInt32BE(bytes, 1);
}
