import { IluvatarError } from '../core/errors.js';

/** Questions to another thread, each with a number, until their answers come. */
export class PendingReplies<T> {
  readonly #open = new Map<number, { resolve(value: T): void; reject(error: Error): void; late: NodeJS.Timeout }>();
  readonly #limitMs: number;
  #last = 0;

  /** `limitMs`: how long an answer is waited for, unless the question says otherwise. */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** `send` is given the number to ask under. Rejects with `unavailable` when there is no answer. */
  ask(send: (id: number) => void, limitMs = this.#limitMs): Promise<T> {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => this.fail(id, unanswered(`no answer within ${limitMs} ms`)), limitMs);
      this.#open.set(id, { resolve, reject, late });
      send(id);
    });
  }

  /** What nobody waits for any more is ignored. */
  answer(id: number, value: T): void {
    this.#take(id)?.resolve(value);
  }

  fail(id: number, error: Error): void {
    this.#take(id)?.reject(error);
  }

  /** The other thread is gone. */
  failAll(reason: string): void {
    for (const id of [...this.#open.keys()]) this.fail(id, unanswered(reason));
  }

  #take(id: number): { resolve(value: T): void; reject(error: Error): void } | undefined {
    const entry = this.#open.get(id);
    if (entry === undefined) return undefined;
    this.#open.delete(id);
    clearTimeout(entry.late);
    return entry;
  }
}

function unanswered(reason: string): IluvatarError {
  return new IluvatarError('unavailable', `the worker's other thread: ${reason}`);
}
