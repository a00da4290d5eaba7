import { randomFillSync } from 'node:crypto';

/** Random ids of traces and spans, as hex text. Chance is drawn by the block: a system call for each id would cost more than all else that a span does. */
export class TraceIds {
  readonly #block: Buffer = Buffer.allocUnsafe(BLOCK_BYTES);
  #at = BLOCK_BYTES;

  /** 32 hex digits, not all zero. */
  trace(): string {
    return this.#take(16);
  }

  /** 16 hex digits, not all zero. */
  span(): string {
    return this.#take(8);
  }

  #take(bytes: number): string {
    for (;;) {
      if (this.#at + bytes > BLOCK_BYTES) {
        randomFillSync(this.#block);
        this.#at = 0;
      }
      const id = this.#block.toString('hex', this.#at, this.#at + bytes);
      this.#at += bytes;
      // Zero means "none" to whoever reads it.
      if (!/^0+$/.test(id)) return id;
    }
  }
}

const BLOCK_BYTES = 4096;
