import type { GitFacts, MachineFacts, Versions } from './provenance.js';

/** What an experiment's folder holds, by name. */

export const EXPERIMENT_FILE = 'experiment.json';
export const SUMMARY_FILE = 'summary.json';
export const FILES = {
  parquet: 'rows.parquet',
  csv: 'rows.csv',
  seconds: 'seconds.parquet',
  logs: 'logs',
  metrics: 'metrics',
} as const;

export interface Moment {
  /** ISO 8601, UTC. */
  readonly wall: string;
  /** The same in µs since 1970; known to the millisecond. */
  readonly unixUs: number;
  /** CLOCK_MONOTONIC, µs. */
  readonly monotonicUs: number;
}

export type ExperimentState = 'running' | 'finished' | 'interrupted' | 'failed';

/** `experiment.json` */
export interface ExperimentFacts {
  readonly format: 'iluvatar.experiment';
  /** One more when a field has changed its meaning or gone. */
  readonly version: 1;
  readonly kind: string;
  readonly name: string;
  /** `running` in a folder whose process is gone: it died. */
  readonly state: ExperimentState;
  readonly error: string | null;
  readonly pid: number;
  readonly table: { readonly name: string; readonly version: number };
  readonly versions: Versions;
  readonly machine: MachineFacts;
  /** Of the folder in which it was started. */
  readonly git: GitFacts | null;
  readonly seed: number;
  readonly targets: readonly string[];
  readonly commandLine: readonly string[];
  readonly run: unknown;
  readonly worker: unknown;
  /** When its clock began: all times of rows count from here. */
  readonly begin: Moment;
  readonly end: Moment | null;
  readonly notes: Readonly<Record<string, unknown>>;
  /** Relative to the folder; empty until its end. */
  readonly files: readonly string[];
}
