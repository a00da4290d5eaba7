import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { IluvatarError } from '../../core/errors.js';

/**
 * Length-prefixed messages of gRPC over HTTP/2 (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md): a byte that says whether it is compressed, four with the length,
 * big-endian, and the message.
 */

/** One type of message as ts-proto generates it. */
export interface MessageCodec<T> {
  encode(message: T, writer?: BinaryWriter): BinaryWriter;
  decode(input: Uint8Array): T;
}

const PREFIX = new Uint8Array(5);
/** A writer keeps the largest buffer that it ever needed. */
const KEPT_BYTES = 1024 * 1024;

let writer = new BinaryWriter();

/** The message behind its prefix, in one buffer that is made once. Throws what the codec does for a value that does not fit its field. */
export function framed<T>(codec: MessageCodec<T>, message: T): Buffer {
  const mine = writer;
  // Taken until it is clean again: an encoder that throws leaves half a message in it.
  writer = new BinaryWriter();
  mine.raw(PREFIX);
  const bytes = codec.encode(message, mine).finish();
  if (bytes.length <= KEPT_BYTES) writer = mine;
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  frame.writeUInt32BE(frame.length - PREFIX.length, 1);
  return frame;
}

const zip = promisify(gzip);
const unzip = promisify(gunzip);

export async function compressed(frame: Buffer): Promise<Buffer> {
  const body = await zip(frame.subarray(PREFIX.length));
  const prefix = Buffer.from([1, 0, 0, 0, 0]);
  prefix.writeUInt32BE(body.length, 1);
  return Buffer.concat([prefix, body]);
}

/** Gathers the one message of an answer. */
export class MessageReader {
  readonly #maxBytes: number;
  readonly #chunks: Buffer[] = [];
  #received = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Throws `too_large` as soon as the length is known. */
  add(chunk: Buffer): void {
    this.#received += chunk.length;
    if (this.#received > this.#maxBytes + PREFIX.length) throw tooLarge(this.#maxBytes);
    if (this.#chunks.length === 0 && chunk.length >= PREFIX.length && chunk.readUInt32BE(1) > this.#maxBytes) {
      throw tooLarge(this.#maxBytes);
    }
    this.#chunks.push(chunk);
  }

  /** Throws `internal` for what is not exactly one message, or compressed as the headers do not say. */
  message(encoding: string | undefined): Uint8Array | Promise<Uint8Array> {
    const [first] = this.#chunks;
    if (first === undefined) throw new IluvatarError('internal', 'the server answered OK without a message');
    const all = this.#chunks.length === 1 ? first : Buffer.concat(this.#chunks);
    if (all.length < PREFIX.length || all.length !== PREFIX.length + all.readUInt32BE(1)) {
      throw new IluvatarError('internal', `the server answered with ${all.length} bytes, which are not one message`);
    }
    const body = all.subarray(PREFIX.length);
    if (all[0] === 0) return body;
    if (encoding !== 'gzip') {
      throw new IluvatarError('internal', `the answer is compressed with "${encoding ?? 'identity'}"`);
    }
    return this.#unzipped(body);
  }

  async #unzipped(body: Buffer): Promise<Buffer> {
    try {
      return await unzip(body, { maxOutputLength: this.#maxBytes });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(this.#maxBytes);
      throw new IluvatarError('internal', `the answer cannot be decompressed: ${(error as Error).message}`);
    }
  }
}

function tooLarge(maxBytes: number): IluvatarError {
  return new IluvatarError('too_large', `the answer is larger than ${maxBytes} bytes`);
}
