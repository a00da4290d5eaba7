import type { FunctionRecord } from '../function-record.js';

/**
 * What a policy keeps of each function, made when it is first needed. Iterated in the order in which they were first seen, so that nothing depends on
 * hashes.
 */
export class FunctionStates<State> {
  readonly #states = new Map<FunctionRecord, State>();
  readonly #make: (fn: FunctionRecord) => State;

  constructor(make: (fn: FunctionRecord) => State) {
    this.#make = make;
  }

  of(fn: FunctionRecord): State {
    let state = this.#states.get(fn);
    if (state === undefined) {
      state = this.#make(fn);
      this.#states.set(fn, state);
    }
    return state;
  }

  /** Null = there is none, and none is made: an invocation may end after its function has been forgotten. */
  peek(fn: FunctionRecord): State | null {
    return this.#states.get(fn) ?? null;
  }

  forget(fn: FunctionRecord): void {
    this.#states.delete(fn);
  }

  [Symbol.iterator](): IterableIterator<[FunctionRecord, State]> {
    return this.#states[Symbol.iterator]();
  }

  /** By function key, for reports. */
  mapped<Value>(value: (state: State, fn: FunctionRecord) => Value): Record<string, Value> {
    return Object.fromEntries([...this.#states].map(([fn, state]) => [fn.key, value(state, fn)]));
  }
}
