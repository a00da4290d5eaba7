import { type Column, integer, type Table, text } from '../tables/columns.js';

/** One invocation that has ended, simulated or live. Times are whole µs since the beginning of the run. */
export interface InvocationRow {
  /** Its transaction id. */
  tid: string;
  /** `name@version` */
  fn: string;
  arrivalUs: number;
  /** From its arrival to leaving the queue, or to its end if it never left. */
  queueUs: number;
  /** When it began to run inside its container; -1 = it never did. */
  startUs: number;
  endUs: number;
  /** `cpu`, `gpu0`, `gpu1`, … */
  device: string;
  /** Number of its container; 0 = it had none. */
  container: number;
  /** What it found: `cold`, `prewarm` or `warm`; empty = it never ran. */
  state: string;
  attempts: number;
  /** `ok`, or the class of its error. */
  outcome: string;
}

export const invocationTable: Table<InvocationRow> = {
  name: 'invocations',
  version: 1,
  columns: invocationColumns<InvocationRow>(),
};

/** For tables whose rows have more: theirs come after these. */
export function invocationColumns<Row extends InvocationRow>(): readonly Column<Row>[] {
  return [
    text('tid', 'transaction id', (row) => row.tid),
    text('function', '`name@version`', (row) => row.fn),
    integer('arrival_us', 'µs', 'when it arrived, since the beginning of the trace', (row) => row.arrivalUs),
    integer('queue_us', 'µs', 'how long it was queued; to its end, if it never left the queue', (row) => row.queueUs),
    integer(
      'start_us',
      'µs',
      'when it began to run in its container, since the beginning; nothing = never',
      (row) => row.startUs,
      -1,
    ),
    integer('end_us', 'µs', 'when it was answered, since the beginning', (row) => row.endUs),
    text('device', '`cpu`, `gpu0`, `gpu1`, …', (row) => row.device),
    integer('container', 'number', 'its container; nothing = it never had one', (row) => row.container, 0),
    text('state', 'of the container it found: `cold`, `prewarm` or `warm`; nothing = none', (row) => row.state, true),
    integer('attempts', 'number', 'how often it was tried', (row) => row.attempts),
    text('outcome', '`ok`, or the class of its error', (row) => row.outcome),
  ];
}
