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

/** A row of which nothing is known yet. */
export function blankRow(): LoadRow {
  return {
    tid: '',
    fn: '',
    arrivalUs: 0,
    queueUs: -1,
    startUs: -1,
    endUs: 0,
    device: '',
    container: 0,
    state: '',
    attempts: 0,
    outcome: '',
    sentUs: -1,
    createUs: -1,
    runUs: -1,
    codeUs: -1,
    codeCold: -1,
    worker: '',
    backend: '',
    client: -1,
    clients: -1,
    error: '',
  };
}
