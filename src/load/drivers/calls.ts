import type { LoadRow } from '../../results/load-row.js';
import type { GeneratorHealth } from '../generator-health.js';
import { RowMaker } from '../load-rows.js';
import type { RunClock } from '../run-clock.js';
import type { LoadAnswer, LoadTarget } from '../target.js';

/** A function of the load, registered. */
export interface LoadedFunction {
  readonly name: string;
  readonly version: string;
  /** JSON text. */
  readonly args: string;
  /** 0 = as it was registered; ms. */
  readonly timeoutMs: number;
}

/** Where rows go, in the order in which their invocations end. The row is filled again: whoever needs more of it copies. */
export interface RowTaker {
  row(row: Readonly<LoadRow>): void;
}

export interface CallsParts {
  readonly target: LoadTarget;
  readonly functions: readonly LoadedFunction[];
  readonly clock: RunClock;
  readonly rows: RowTaker;
  readonly health: GeneratorHealth;
  /** Clients of this step of a scaling run; -1 = none. */
  readonly clients?: number;
}

/** Where an answer goes besides its row. */
export type Answered = (answer: LoadAnswer) => void;

/** An invocation that has been sent. */
export interface OpenCall {
  readonly fn: number;
  readonly arrivalUs: number;
  readonly sentUs: number;
  readonly client: number;
}

/** The invocations in flight: each gives one row, when it is answered or given up. */
export class Calls {
  readonly #parts: CallsParts;
  readonly #maker: RowMaker;
  readonly #open = new Set<OpenCall>();
  #ended = false;
  #free: (() => void) | null = null;

  constructor(parts: CallsParts) {
    this.#parts = parts;
    const { functions, clients = -1 } = parts;
    this.#maker = new RowMaker(
      functions.map(({ name, version }) => `${name}@${version}`),
      clients,
    );
  }

  get inFlight(): number {
    return this.#open.size;
  }

  /** `arrivalUs`: when it was meant to be sent. `held`: it had to wait for another to end, so that its lateness is not the clock's. */
  send(fn: number, arrivalUs: number, client: number, held: boolean, answered: Answered | null): void {
    const { target, functions, clock, health } = this.#parts;
    const { name, version, args, timeoutMs } = functions[fn] as LoadedFunction;
    const call: OpenCall = { fn, arrivalUs, sentUs: clock.now(), client };
    this.#open.add(call);
    if (held) health.heldBack++;
    const settled = (answer: LoadAnswer): void => this.#settled(call, answer, answered);
    target.invoke({ name, version, args, tid: '', timeoutMs }).then(settled);
  }

  /** One that was meant to be sent, and was not. */
  notSent(fn: number, arrivalUs: number, client: number, why: string): void {
    const { clock, rows, health } = this.#parts;
    health.heldBack++;
    rows.row(this.#maker.without({ fn, arrivalUs, sentUs: -1, client }, clock.now(), why));
  }

  /** Resolves when one has ended; at once, when none is in flight. */
  oneEnded(): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#free = resolve;
    });
  }

  /** Nobody waits any longer: what is in flight has a row that says so. Later answers are nobody's. */
  giveUp(why: string): void {
    this.#ended = true;
    const { clock, rows } = this.#parts;
    for (const call of this.#open) rows.row(this.#maker.without(call, clock.now(), why));
    this.#open.clear();
    this.#wake();
  }

  #settled(call: OpenCall, answer: LoadAnswer, answered: Answered | null): void {
    if (this.#ended) return;
    this.#open.delete(call);
    this.#parts.rows.row(this.#maker.of(call, answer, this.#parts.clock.now()));
    this.#wake();
    answered?.(answer);
  }

  #wake(): void {
    const free = this.#free;
    this.#free = null;
    free?.();
  }
}
