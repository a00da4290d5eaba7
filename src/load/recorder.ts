import type { LoadRow } from '../results/load-row.js';
import type { SummaryBuilder } from '../results/summary.js';
import type { RowSink } from '../tables/sink.js';
import type { RowTaker } from './drivers/calls.js';
import type { StopConditions, StopReason } from './stop-conditions.js';

export interface RecorderParts {
  readonly summary: SummaryBuilder;
  readonly rows: RowSink<LoadRow> | null;
  readonly stop: StopConditions;
  /** Invocations that were meant to be sent before this are neither counted nor written; µs. */
  readonly warmUpUs: number;
  /** Called once, with the first reason there is to end. */
  readonly ended: (reason: StopReason) => void;
}

/** Where all rows of a load come together: its table, its summary, and what says that it should end. Holds none of them. */
export class LoadRecorder implements RowTaker {
  /** Of the measured part; for progress. */
  invocations = 0;
  failed = 0;
  warmUp = 0;
  /** Rows that could not be written. */
  lost = 0;
  readonly #parts: RecorderParts;
  #writes: boolean;
  #reason: StopReason | null = null;

  constructor(parts: RecorderParts) {
    this.#parts = parts;
    this.#writes = parts.rows !== null;
  }

  row(row: Readonly<LoadRow>): void {
    const { summary, stop, warmUpUs } = this.#parts;
    const reason = stop.judge(row);
    if (reason !== null) this.#end(reason);
    if (row.arrivalUs < warmUpUs) {
      this.warmUp++;
      return;
    }
    this.invocations++;
    if (row.outcome !== 'ok') this.failed++;
    summary.add(row);
    this.#write(row);
  }

  /** What was written is whole: a full disk ends the writing, not the file. */
  #write(row: Readonly<LoadRow>): void {
    if (!this.#writes) {
      if (this.#parts.rows !== null) this.lost++;
      return;
    }
    try {
      this.#parts.rows?.row(row);
    } catch (error) {
      this.#writes = false;
      this.lost++;
      this.#end({ kind: 'not-written', text: (error as Error).message });
    }
  }

  #end(reason: StopReason): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    this.#parts.ended(reason);
  }
}
