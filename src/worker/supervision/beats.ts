/**
 * A sign of life that needs no message to be read: the watched thread counts up in shared memory whenever its event loop comes round, and who watches compares. Only time
 * that the watcher itself has seen pass is held against it: after the whole process stood still (stopped, a suspended machine) nothing is hung.
 */

/** The watched thread's side. */
export class Beat {
  readonly #count: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#count = new Int32Array(memory);
  }

  static memory(): SharedArrayBuffer {
    return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  }

  beat(): void {
    Atomics.add(this.#count, 0, 1);
  }

  get count(): number {
    return Atomics.load(this.#count, 0);
  }
}

/** The watcher's side: `look` regularly. */
export class BeatWatch {
  readonly #periodMs: number;
  #last = 0;
  #silentMs = 0;
  #lookedAt = 0;

  /** How often to look, so that so long a silence is noticed not much later than it has lasted; ms. */
  static periodFor(missedBeatMs: number): number {
    return Math.max(25, Math.floor(missedBeatMs / 4));
  }

  /** `periodMs`: how often `look` is called. */
  constructor(periodMs: number) {
    this.#periodMs = periodMs;
  }

  /** How long `count` has stood still; ms. `now` is monotonic. */
  look(count: number, now: number): number {
    const passed = this.#lookedAt === 0 ? 0 : Math.min(now - this.#lookedAt, 2 * this.#periodMs);
    this.#lookedAt = now;
    this.#silentMs = count === this.#last ? this.#silentMs + passed : 0;
    this.#last = count;
    return this.#silentMs;
  }
}
