import { randomUUID } from 'node:crypto';

/**
 * Ids of asynchronous invocations: UUIDs of version 7 (RFC 9562), whose order is that of their making. They are keys of the store, and so what is accepted together lies together there:
 * random ones would each change a page of their own, and a commit write as many. 62 bits of each are random.
 */
export class InvocationIds {
  readonly #now: () => number;
  #ms = 0;
  /** Of those made in one millisecond. */
  #count = 0;
  /** What all of them begin with. */
  #head = '';

  /** `now`: ms since 1970. It may be set back: the order then is still that of their making. */
  constructor(now: () => number) {
    this.#now = now;
  }

  next(): string {
    const now = Math.floor(this.#now());
    if (now > this.#ms) this.#begin(now);
    else if (this.#count === COUNTS) this.#begin(this.#ms + 1);
    const count = (this.#count++).toString(16).padStart(3, '0');
    // Variant and random part of a UUID of version 4 are where those of this one are.
    return `${this.#head}${count}${randomUUID().slice(VARIANT_AT)}`;
  }

  #begin(ms: number): void {
    this.#ms = ms;
    this.#count = 0;
    const hex = ms.toString(16).padStart(12, '0');
    this.#head = `${hex.slice(0, 8)}-${hex.slice(8)}-7`;
  }
}

/** 12 bits. */
const COUNTS = 0x1000;
/** Of the hyphen before the variant. */
const VARIANT_AT = 18;
