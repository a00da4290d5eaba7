import { integer, type Table, text } from '../tables/columns.js';
import { type InvocationRow, invocationColumns } from './invocation-row.js';

/**
 * One invocation of a load generator. Its clock is the generator's: `arrivalUs` is when it was *meant* to be sent, whatever the generator or the target was doing then, so that
 * `endUs - arrivalUs` hides no wait (coordinated omission). What the worker says of it are lengths of time, never times: the two clocks need not agree.
 * `startUs` is therefore worked out: its end less the worker's `runUs`.
 */
export interface LoadRow extends InvocationRow {
  /** When it was sent; -1 = never, the run ended before. */
  sentUs: number;
  /** What the worker says it took to make its container; -1 = it did not say, as for all of these. */
  createUs: number;
  /** … to run inside the container, from giving it the arguments to having the result. */
  runUs: number;
  /** What the function itself says its body took (`body.latency`). */
  codeUs: number;
  /** Whether the function itself says that its container was fresh (`body.cold`): 1, 0, -1. */
  codeCold: number;
  /** Names, as far as the target says them; empty = it did not. */
  worker: string;
  backend: string;
  /** Number of the closed loop's client that sent it; -1 = none, an open loop. */
  client: number;
  /** Number of clients of this step of a scaling run; -1 = not a scaling run. */
  clients: number;
  /** Its error, for people; empty = none. */
  error: string;
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

export const loadTable: Table<LoadRow> = {
  name: 'load',
  version: 1,
  columns: [
    // A target that says nothing of its queue says -1, which the simulator never does: its column cannot be empty.
    ...invocationColumns<LoadRow>().map((column) =>
      column.kind === 'integer' && column.name === 'queue_us' ? { ...column, none: -1 } : column,
    ),
    integer('sent_us', 'µs', 'when it was sent, since the beginning; nothing = never', (row) => row.sentUs, -1),
    integer('create_us', 'µs', 'what making its container took; nothing = not said', (row) => row.createUs, -1),
    integer('run_us', 'µs', 'what running in its container took; nothing = not said', (row) => row.runUs, -1),
    integer('code_us', 'µs', 'what its body took, as the function says; nothing = not said', (row) => row.codeUs, -1),
    integer(
      'code_cold',
      '0 or 1',
      'whether the function says that it began afresh; nothing = not said',
      (row) => row.codeCold,
      -1,
    ),
    text('worker', 'that ran it; nothing = not said', (row) => row.worker, true),
    text('backend', 'that ran it; nothing = not said', (row) => row.backend, true),
    integer('client', 'number', 'of the client of a closed loop; nothing = an open loop', (row) => row.client, -1),
    integer('clients', 'number', 'clients of this step; nothing = no steps', (row) => row.clients, -1),
    text('error', 'its error; nothing = none', (row) => row.error, true),
  ],
};
