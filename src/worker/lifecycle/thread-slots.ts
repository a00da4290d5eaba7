/**
 * What each life-cycle thread says of itself in shared memory, where it can be read while the thread hangs: whether it has work, and a beat. A thread takes a slot when it
 * has its first task, and keeps it; the slots of threads that are gone are given to new ones by the pool.
 */
const WORDS = 3;
const THREAD = 0;
const RUNNING = 1;
const BEATS = 2;

export function slotMemory(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(threads * WORDS * Int32Array.BYTES_PER_ELEMENT);
}

/** The thread's side. */
export class ThreadSlot {
  readonly #words: Int32Array;
  readonly #at: number;

  /** Throws when there is no free slot. */
  constructor(memory: SharedArrayBuffer, threadId: number) {
    this.#words = new Int32Array(memory);
    for (let at = 0; at < this.#words.length; at += WORDS) {
      if (Atomics.compareExchange(this.#words, at + THREAD, 0, threadId) !== 0) continue;
      this.#at = at;
      return;
    }
    throw new Error('there are more life-cycle threads than slots');
  }

  begun(): void {
    Atomics.add(this.#words, this.#at + RUNNING, 1);
  }

  ended(): void {
    Atomics.sub(this.#words, this.#at + RUNNING, 1);
  }

  beat(): void {
    Atomics.add(this.#words, this.#at + BEATS, 1);
  }
}

/** The pool's side. */
export class ThreadSlots {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(threads: number) {
    this.memory = slotMemory(threads);
    this.#words = new Int32Array(this.memory);
  }

  /** Tasks that the thread has begun and not ended; 0 for one that has never had any. */
  running(threadId: number): number {
    const at = this.#find(threadId);
    return at === -1 ? 0 : Atomics.load(this.#words, at + RUNNING);
  }

  beats(threadId: number): number {
    const at = this.#find(threadId);
    return at === -1 ? 0 : Atomics.load(this.#words, at + BEATS);
  }

  /** The thread is gone. */
  free(threadId: number): void {
    const at = this.#find(threadId);
    if (at === -1) return;
    Atomics.store(this.#words, at + RUNNING, 0);
    Atomics.store(this.#words, at + BEATS, 0);
    Atomics.store(this.#words, at + THREAD, 0);
  }

  #find(threadId: number): number {
    for (let at = 0; at < this.#words.length; at += WORDS) {
      if (Atomics.load(this.#words, at + THREAD) === threadId) return at;
    }
    return -1;
  }
}
