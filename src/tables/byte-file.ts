import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { IluvatarError } from '../core/index.js';

/**
 * A file written from one buffer that is used again and again. The writes are synchronous: the thread that simulates does nothing else, so that waiting for the page
 * cache costs less than handing buffers over, and memory is bounded without anybody waiting. A write that fails (a full disk) leaves the file as it was at the last mark
 * before: whoever reads it finds whole records.
 */
const BUFFER_BYTES = 256 * 1024;
const ZERO = 0x30;
const BACKSLASH = 0x5c;
const QUOTE = 0x22;
const COMMA = 0x2c;

export class ByteFile {
  readonly #path: string;
  readonly #buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  #descriptor: number;
  #at = 0;
  /** Places in the buffer after which a reader may stop. */
  #marks = new Int32Array(1024);
  #markCount = 0;
  /** What is in the file, and what of it ends with a mark; bytes. */
  #length = 0;
  #whole = 0;
  /** The file was cut: its end is where the descriptor is not. */
  #cut = false;

  constructor(path: string) {
    this.#path = path;
    try {
      this.#descriptor = openSync(path, 'w');
    } catch (error) {
      throw new IluvatarError('invalid', `${path} cannot be written: ${(error as Error).message}`);
    }
  }

  /** Makes sure that `size` more bytes fit. */
  reserve(size: number): void {
    if (this.#at + size > BUFFER_BYTES) this.flush();
  }

  /** A record has ended here. */
  mark(): void {
    if (this.#markCount === this.#marks.length) {
      const more = new Int32Array(this.#marks.length * 2);
      more.set(this.#marks);
      this.#marks = more;
    }
    this.#marks[this.#markCount++] = this.#at;
  }

  byte(value: number): void {
    this.#buffer[this.#at++] = value;
  }

  bytes(value: Uint8Array): void {
    if (value.length > BUFFER_BYTES) {
      this.flush();
      this.#write(value);
      return;
    }
    this.reserve(value.length);
    this.#buffer.set(value, this.#at);
    this.#at += value.length;
  }

  /** A whole number; its digits. */
  integer(value: number): void {
    this.reserve(24);
    const buffer = this.#buffer;
    let rest = value;
    if (rest < 0) {
      buffer[this.#at++] = 0x2d;
      rest = -rest;
    }
    let digits = 1;
    for (let limit = 10; limit <= rest; limit *= 10) digits++;
    let at = this.#at + digits;
    this.#at = at;
    // Division of what does not fit into 32 bits is several times slower: only the high part of great numbers is divided so.
    while (rest > 0x7fffffff) {
      const high = Math.floor(rest / 10);
      buffer[--at] = ZERO + (rest - high * 10);
      rest = high;
    }
    let small = rest | 0;
    for (let left = at - (this.#at - digits); left > 0; left--) {
      const high = (small / 10) | 0;
      buffer[--at] = ZERO + (small - high * 10);
      small = high;
    }
  }

  /** The shortest text that reads as the same number. */
  decimal(value: number): void {
    if (Number.isSafeInteger(value)) this.integer(value);
    else this.text(String(value), (text) => text);
  }

  /** Text as it is, where `escaped` would change nothing: no control character, quote, comma or backslash, all ASCII. Otherwise what `escaped` makes of it. */
  text(value: string, escaped: (value: string) => string): void {
    const { length } = value;
    if (length > BUFFER_BYTES / 4) {
      this.bytes(Buffer.from(escaped(value)));
      return;
    }
    this.reserve(length);
    const buffer = this.#buffer;
    const start = this.#at;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code < 0x20 || code > 0x7e || code === QUOTE || code === COMMA || code === BACKSLASH) {
        this.#at = start;
        this.bytes(Buffer.from(escaped(value)));
        return;
      }
      buffer[start + i] = code;
    }
    this.#at = start + length;
  }

  flush(): void {
    const filled = this.#buffer.subarray(0, this.#at);
    this.#at = 0;
    this.#write(filled);
    this.#markCount = 0;
  }

  close(): void {
    if (this.#descriptor < 0) return;
    try {
      this.flush();
    } finally {
      closeSync(this.#descriptor);
      this.#descriptor = -1;
    }
  }

  #write(bytes: Uint8Array): void {
    let at = 0;
    try {
      while (at < bytes.length) {
        at += writeSync(this.#descriptor, bytes, at, bytes.length - at, this.#cut ? this.#length + at : null);
      }
    } catch (error) {
      this.#cutAfter(at);
      throw new IluvatarError('unavailable', `${this.#path} cannot be written: ${(error as Error).message}`);
    }
    const last = this.#markCount === 0 ? -1 : (this.#marks[this.#markCount - 1] as number);
    if (last >= 0) this.#whole = this.#length + last;
    this.#length += bytes.length;
  }

  /** Only so many bytes were written: what follows the last mark among them goes. */
  #cutAfter(written: number): void {
    let marks = this.#markCount;
    while (marks > 0 && (this.#marks[marks - 1] as number) > written) marks--;
    if (marks > 0) this.#whole = this.#length + (this.#marks[marks - 1] as number);
    this.#markCount = 0;
    this.#length = this.#whole;
    this.#cut = true;
    try {
      ftruncateSync(this.#descriptor, this.#whole);
    } catch {
      // A pipe, which has no end to cut: what failed is told anyway.
    }
  }
}
