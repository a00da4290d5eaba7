/**
 * Lines out of chunks of any size. What is longer than `longestBytes` without an end is no line of a program that works: it is dropped and counted, so that memory stays bounded.
 */
export class LineSplitter {
  /** Lines that were too long. */
  dropped = 0;
  readonly #longestBytes: number;
  readonly #take: (line: string, atUs: number) => void;
  #rest = '';
  #skipping = false;

  constructor(take: (line: string, atUs: number) => void, longestBytes = 65_536) {
    this.#take = take;
    this.#longestBytes = longestBytes;
  }

  /** `atUs`: when it was received; handed on with each line that it ends. */
  push(chunk: Buffer, atUs: number): void {
    // Latin-1: what is read is ASCII, and a character that a chunk's end cuts in two must not be lost.
    const parts = (this.#rest + chunk.toString('latin1')).split('\n');
    this.#rest = parts.pop() as string;
    for (const part of parts) {
      if (this.#skipping) this.#skipping = false;
      else if (part.length > this.#longestBytes) this.dropped++;
      else this.#take(part.endsWith('\r') ? part.slice(0, -1) : part, atUs);
    }
    if (this.#rest.length <= this.#longestBytes) return;
    this.#rest = '';
    if (!this.#skipping) this.dropped++;
    this.#skipping = true;
  }

  /** A new program begins: what its predecessor left unfinished is dropped. */
  reset(): void {
    this.#rest = '';
    this.#skipping = false;
  }
}
