import type { RowSink } from './sink.js';

/** The same rows into several sinks. What one of them throws is thrown on, and does not keep the others from being ended well. */
export class SeveralSinks<Row> implements RowSink<Row> {
  readonly #sinks: readonly RowSink<Row>[];

  constructor(sinks: readonly RowSink<Row>[]) {
    this.#sinks = sinks;
  }

  row(row: Readonly<Row>): void {
    for (const sink of this.#sinks) sink.row(row);
  }

  backlog(): Promise<void> | null {
    const waiting = this.#sinks.map((sink) => sink.backlog()).filter((backlog) => backlog !== null);
    return waiting.length === 0 ? null : Promise.all(waiting).then(() => {});
  }

  /** Ends all of them; rejects with the first failure. */
  async end(): Promise<void> {
    const ended = await Promise.allSettled(this.#sinks.map((sink) => sink.end()));
    const failure = ended.find((result) => result.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
  }
}
