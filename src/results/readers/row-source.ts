import type { LoadRow } from '../load-row.js';

/** Where rows of a load come from, whatever wrote them. */
export interface RowSource {
  /** `load` or `invocations` (a simulation's) are our own tables; the others are the original's files. */
  readonly kind: 'load' | 'invocations' | 'original-csv' | 'original-json' | 'original-benchmark' | 'original-scaling';
  readonly file: string;
  /** False = its rows have lengths of time only: when they happened is not known, and neither are rates. */
  readonly timed: boolean;
  /** The rows in their order, in one object that is filled again and again: copy what is to be kept. */
  rows(): AsyncIterable<Readonly<LoadRow>>;
}
