import { randomFillSync } from 'node:crypto';

/**
 * Ids of asynchronous invocations: UUIDs of version 7 (RFC 9562), whose order is that of their making. They are keys of the store, and so what is accepted together lies together there:
 * random ones would each change a page of their own, and a commit write as many. 62 bits of each are random.
 */
export class InvocationIds {
  readonly #now: () => number;
  /** Written over by each: a string made of it at once is a fifth of what parts of strings put together leave to the garbage collector. */
  readonly #text = Buffer.from('00000000-0000-7000-0000-000000000000', 'latin1');
  readonly #random = Buffer.alloc(RANDOM_BYTES * 512);
  #used = this.#random.length;
  #ms = 0;
  /** Of those made in one millisecond. */
  #count = 0;

  /** `now`: ms since 1970. It may be set back: the order then is still that of their making. */
  constructor(now: () => number) {
    this.#now = now;
  }

  next(): string {
    const now = Math.floor(this.#now());
    if (now > this.#ms) this.#begin(now);
    else if (this.#count === COUNTS) this.#begin(this.#ms + 1);
    this.#writeHex(COUNT_AT, this.#count >> 8, 1);
    this.#writeHex(COUNT_AT + 1, this.#count++ & 0xff, 2);
    this.#writeRandom();
    return this.#text.toString('latin1');
  }

  #begin(ms: number): void {
    this.#ms = ms;
    this.#count = 0;
    const hex = ms.toString(16).padStart(12, '0');
    this.#text.write(hex.slice(0, 8), 0, 'latin1');
    this.#text.write(hex.slice(8), 9, 'latin1');
  }

  #writeRandom(): void {
    if (this.#used === this.#random.length) {
      randomFillSync(this.#random);
      this.#used = 0;
    }
    for (let i = 0; i < RANDOM_BYTES; i++) {
      const byte = this.#random[this.#used + i] as number;
      // The first has the variant in its two highest bits.
      this.#writeHex(RANDOM_AT[i] as number, i === 0 ? (byte & 0x3f) | 0x80 : byte, 2);
    }
    this.#used += RANDOM_BYTES;
  }

  #writeHex(at: number, value: number, digits: 1 | 2): void {
    if (digits === 2) this.#text[at] = HEX_DIGITS[value >> 4] as number;
    this.#text[at + digits - 1] = HEX_DIGITS[value & 0xf] as number;
  }
}

const HEX_DIGITS = Buffer.from('0123456789abcdef', 'latin1');
/** 12 bits. */
const COUNTS = 0x1000;
/** Places in the text: of the count, and of each random byte. */
const COUNT_AT = 15;
const RANDOM_AT = [19, 21, 24, 26, 28, 30, 32, 34];
const RANDOM_BYTES = RANDOM_AT.length;
