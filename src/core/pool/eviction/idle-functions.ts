import type { FunctionRecord } from '../../function-record.js';
import { PriorityHeap } from '../../priority-heap.js';
import type { FunctionIdleness } from './function-idleness.js';

/** When the functions of one device idle, and which of them should be made ready next. Kept until a function is forgotten, with or without containers. */
export class IdleFunctions {
  readonly #create: (fn: FunctionRecord) => FunctionIdleness;
  readonly #functions = new Map<FunctionRecord, FunctionIdleness>();
  readonly #prewarms = new PriorityHeap<FunctionIdleness>();

  constructor(create: (fn: FunctionRecord) => FunctionIdleness) {
    this.#create = create;
  }

  of(fn: FunctionRecord): FunctionIdleness {
    let idleness = this.#functions.get(fn);
    if (idleness === undefined) {
      idleness = this.#create(fn);
      this.#functions.set(fn, idleness);
    }
    return idleness;
  }

  /** Nothing of it runs any more. */
  begin(idleness: FunctionIdleness, now: number): void {
    // A container can outlive what was known of its function by a moment; nothing must be made ready for it then.
    if (this.#functions.get(idleness.fn) !== idleness) return;
    idleness.idleSince = now;
    if (idleness.prewarmUs === 0) return;
    idleness.priority = now + idleness.prewarmUs;
    this.#prewarms.push(idleness);
  }

  end(idleness: FunctionIdleness): void {
    idleness.idleSince = -1;
    this.#prewarms.remove(idleness);
  }

  arrived(fn: FunctionRecord, now: number): void {
    const idleness = this.#functions.get(fn);
    if (idleness === undefined) return;
    if (idleness.idleSince >= 0) idleness.add(now - idleness.idleSince);
    this.end(idleness);
  }

  /** One whose pre-warm window is over; each is named once. */
  due(now: number): FunctionRecord | null {
    const idleness = this.#prewarms.first();
    if (idleness === null || idleness.priority > now) return null;
    this.#prewarms.remove(idleness);
    return idleness.fn;
  }

  nextDue(): number {
    return this.#prewarms.first()?.priority ?? Number.POSITIVE_INFINITY;
  }

  forget(fn: FunctionRecord): void {
    const idleness = this.#functions.get(fn);
    if (idleness === undefined) return;
    this.#functions.delete(fn);
    this.end(idleness);
  }
}
