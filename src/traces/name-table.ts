/**
 * Finds the index of a name by its bytes, without making a string of them: a trace names a function in every row. Open addressing with linear probing, at most
 * half full.
 */
export class NameTable {
  readonly #slots: Int32Array;
  readonly #mask: number;
  readonly #names: Buffer[];

  constructor(names: readonly string[]) {
    let size = 16;
    while (size < names.length * 2) size *= 2;
    this.#slots = new Int32Array(size).fill(-1);
    this.#mask = size - 1;
    this.#names = names.map((name) => Buffer.from(name));
    for (const [index, name] of this.#names.entries()) {
      let slot = hash(name, 0, name.length) & this.#mask;
      while (this.#slots[slot] !== -1) slot = (slot + 1) & this.#mask;
      this.#slots[slot] = index;
    }
  }

  /** -1 = there is none. */
  find(bytes: Buffer, start: number, end: number): number {
    let slot = hash(bytes, start, end) & this.#mask;
    for (;;) {
      const index = this.#slots[slot] as number;
      if (index === -1 || this.#equals(index, bytes, start, end)) return index;
      slot = (slot + 1) & this.#mask;
    }
  }

  #equals(index: number, bytes: Buffer, start: number, end: number): boolean {
    const name = this.#names[index] as Buffer;
    if (name.length !== end - start) return false;
    for (let i = 0; i < name.length; i++) if (name[i] !== bytes[start + i]) return false;
    return true;
  }
}

/** FNV-1a, with its high bits folded in, since only low ones are used. */
function hash(bytes: Buffer, start: number, end: number): number {
  let value = 0x811c9dc5;
  for (let i = start; i < end; i++) value = Math.imul(value ^ (bytes[i] as number), 0x01000193);
  return value ^ (value >>> 15);
}
