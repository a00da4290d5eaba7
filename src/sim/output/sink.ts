/**
 * Where the rows of a simulation go. One row object is filled again and again: a sink copies what it needs before it returns, and no row costs an object.
 * Times are whole µs since the beginning of the trace.
 */

/** One invocation that has ended. */
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

/** The state at the beginning of one second, after all that happened before. */
export interface SecondRow {
  /** Seconds since the beginning of the trace. */
  second: number;
  /** Of containers being created, running or being destroyed. */
  runningMb: number;
  /** Of idle containers. */
  cachedMb: number;
  runningContainers: number;
  cachedContainers: number;
  /** Invocations queued, and of these for the GPUs. */
  queued: number;
  queuedGpu: number;
  /** Invocations inside containers, and waiting for one that is being created. */
  running: number;
  starting: number;
  /** CPU slots in use. */
  busySlots: number;
}

export interface RowSink<Row> {
  row(row: Readonly<Row>): void;
  /** Null = go on. Otherwise the simulation waits for it before its next batch, so that what is not written yet stays bounded. */
  backlog(): Promise<void> | null;
  /** Nothing more comes: resolves when all is written. Called once, also after a failure. */
  end(): Promise<void>;
}
