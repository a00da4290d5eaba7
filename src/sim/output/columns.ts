import type { InvocationRow, SecondRow } from './sink.js';

/**
 * The columns of the two tables that a simulation writes, the same in every format. Whoever adds one adds it at the end: readers may know a column by its place.
 */

interface ColumnHead {
  readonly name: string;
  readonly unit: string;
  readonly meaning: string;
}

/** A whole number. `none` is the value that says there is none, and is written as nothing (CSV: empty, else null). */
export interface IntegerColumn<Row> extends ColumnHead {
  readonly kind: 'integer';
  readonly none: number | null;
  readonly get: (row: Readonly<Row>) => number;
}

/** A number that may have a fraction. */
export interface DecimalColumn<Row> extends ColumnHead {
  readonly kind: 'decimal';
  readonly get: (row: Readonly<Row>) => number;
}

/** Text; the empty one is written as nothing if the column is `nullable`. */
export interface TextColumn<Row> extends ColumnHead {
  readonly kind: 'text';
  readonly nullable: boolean;
  readonly get: (row: Readonly<Row>) => string;
}

export type Column<Row> = IntegerColumn<Row> | DecimalColumn<Row> | TextColumn<Row>;

function integer<Row>(
  name: string,
  unit: string,
  meaning: string,
  get: (row: Readonly<Row>) => number,
  none: number | null = null,
): IntegerColumn<Row> {
  return { kind: 'integer', name, unit, meaning, get, none };
}

function text<Row>(
  name: string,
  meaning: string,
  get: (row: Readonly<Row>) => string,
  nullable = false,
): TextColumn<Row> {
  return { kind: 'text', name, unit: 'name', meaning, get, nullable };
}

export const invocationColumns: readonly Column<InvocationRow>[] = [
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

export const secondColumns: readonly Column<SecondRow>[] = [
  integer('second', 's', 'since the beginning of the trace', (row) => row.second),
  integer('running_mb', 'MiB', 'of containers being created, running or being destroyed', (row) => row.runningMb),
  integer('cached_mb', 'MiB', 'of idle containers', (row) => row.cachedMb),
  integer('queue_cpu', 'number', 'invocations queued for the CPU', (row) => row.queued - row.queuedGpu),
  integer('queue_gpu', 'number', 'invocations queued for a GPU', (row) => row.queuedGpu),
  { kind: 'decimal', name: 'busy_slots', unit: 'slots', meaning: 'CPU slots in use', get: (row) => row.busySlots },
  integer('running_containers', 'number', 'of the containers of `running_mb`', (row) => row.runningContainers),
  integer('cached_containers', 'number', 'of the containers of `cached_mb`', (row) => row.cachedContainers),
  integer('running', 'number', 'invocations inside containers', (row) => row.running),
  integer('starting', 'number', 'invocations waiting for a container being created', (row) => row.starting),
];
