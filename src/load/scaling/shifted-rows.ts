import type { LoadRow } from '../../results/load-row.js';
import type { RowSink } from '../../tables/sink.js';

/** Rows of one step, whose clock begins with it, as rows of the whole run. */
export class ShiftedRows implements RowSink<LoadRow> {
  readonly #take: (row: Readonly<LoadRow>) => void;
  readonly #offsetUs: () => number;

  constructor(offsetUs: () => number, take: (row: Readonly<LoadRow>) => void) {
    this.#offsetUs = offsetUs;
    this.#take = take;
  }

  row(row: Readonly<LoadRow>): void {
    const by = this.#offsetUs();
    const { arrivalUs, sentUs, startUs, endUs } = row;
    this.#take({
      ...row,
      arrivalUs: arrivalUs + by,
      endUs: endUs + by,
      sentUs: sentUs < 0 ? sentUs : sentUs + by,
      startUs: startUs < 0 ? startUs : startUs + by,
    });
  }

  backlog(): null {
    return null;
  }

  async end(): Promise<void> {}
}
