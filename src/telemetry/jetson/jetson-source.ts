import type { JetsonReading } from './jetson-reading.js';

/**
 * Who is asked about the board: tegrastats, the kernel's own files, or a recording of either. It gives readings by itself, at its interval, from `start` until `stop`.
 *
 * Not promised: that readings come, that they come in time, that two of them say the same things. Whoever uses them looks at their age.
 */
export interface JetsonSource {
  readonly name: JetsonSourceName;
  /** Throws nothing: what fails is told. */
  start(listener: JetsonListener): void;
  /** Resolves when nothing of it is left. Idempotent. */
  stop(): Promise<void>;
  readonly counters: JetsonSourceCounters;
}

export type JetsonSourceName = 'tegrastats' | 'sysfs' | 'replay';

export interface JetsonListener {
  reading(reading: JetsonReading): void;
  /** It goes on by itself, after a pause if it has to begin anew. */
  failed(cause: 'error' | 'exit' | 'hang', message: string): void;
  /** As it was received, for who records it; without its end of line. */
  line?(line: string, atUs: number): void;
}

export interface JetsonSourceCounters {
  readonly readings: number;
  /** Lines that said nothing that is known, readings that gave nothing. */
  readonly odd: number;
  /** Times that it began anew after it had ended, hung, or said nothing but rubbish. */
  readonly restarts: number;
}
