/**
 * Standard output and error of a container on one connection, as Docker's attach sends them: before each piece eight bytes, the stream's number, three zeros, and the
 * piece's length (big-endian). Pieces are passed on as they arrive, whole or not, so that a piece of any length needs no memory.
 */

const HEADER = 8;

export type OutputSink = (stream: 'stdout' | 'stderr', chunk: Buffer) => void;

export class OutputDecoder {
  readonly #sink: OutputSink;
  readonly #header = Buffer.alloc(HEADER);
  #headerBytes = 0;
  /** Of the piece that is being read. */
  #left = 0;

  constructor(sink: OutputSink) {
    this.#sink = sink;
  }

  /** Throws an Error for what is no such stream. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left === 0) {
        const taken = Math.min(HEADER - this.#headerBytes, chunk.length - at);
        chunk.copy(this.#header, this.#headerBytes, at, at + taken);
        this.#headerBytes += taken;
        at += taken;
        if (this.#headerBytes < HEADER) return;
        this.#headerBytes = 0;
        this.#left = this.#length();
      } else {
        const end = Math.min(at + this.#left, chunk.length);
        this.#sink(this.#header[0] === 2 ? 'stderr' : 'stdout', chunk.subarray(at, end));
        this.#left -= end - at;
        at = end;
      }
    }
  }

  #length(): number {
    const [stream = 0, ...zeros] = this.#header.subarray(0, 4);
    if (stream > 2 || zeros.some((byte) => byte !== 0)) {
      throw new Error(`output begins with ${this.#header.toString('hex')}, which is no header of Docker's`);
    }
    return this.#header.readUInt32BE(4);
  }
}
