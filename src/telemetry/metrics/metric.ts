import type { WatchedHealth, WorkerStatus } from '../../config/api.js';
import type { FunctionSeries } from './series.js';

/**
 * One metric family: what it is called, and how its samples are made when somebody asks. Nothing of it is kept up to date in between. Definitions are data, so that
 * docs/metrics.md lists them from here.
 */
export interface MetricDefinition {
  readonly name: string;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** Besides `le` of a histogram. */
  readonly labels: readonly string[];
  samples(scrape: Scrape): Sample[];
}

export interface Sample {
  value: number;
  labels?: Record<string, string | number>;
  /** The same object for many samples: it is written once. */
  sharedLabels?: Record<string, string>;
  metricName?: string;
}

/** What a scrape reads, all of one moment. */
export interface Scrape {
  readonly status: WorkerStatus;
  /** Invocations, by function; those of functions without a place of their own are together in one. */
  readonly series: readonly FunctionSeries[];
  /** Of the functions that have a place of their own, and the sum of the others. */
  readonly functions: readonly FunctionGauges[];
  /** Threads and background tasks. */
  readonly watched: readonly WatchedHealth[];
  readonly push: readonly PushCounters[];
}

/** What one function has at this moment. A `RegisteredFunction` is one. */
export interface FunctionGauges {
  readonly name: string;
  readonly version: string;
  readonly queued: number;
  readonly running: number;
  readonly containers: number;
  /** Null = this is not one function. */
  readonly memoryMb: number | null;
  readonly characteristics: { readonly memoryMb: number; readonly pageCacheMb: number } | null;
}

/** One server that metrics are pushed to (`metrics.push`). */
export interface PushCounters {
  /** Its address, without anything secret. */
  readonly sink: string;
  /** Points. */
  readonly sent: number;
  readonly dropped: number;
  readonly waiting: number;
  /** Attempts to send that failed. */
  readonly failures: number;
}

export const MIB = 1024 * 1024;

export function functionLabels(fn: { name: string; version: string }): { function: string; version: string } {
  return { function: fn.name, version: fn.version };
}
