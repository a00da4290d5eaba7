import type { WatchedHealth, WorkerHealth } from '../../config/api.js';

/** What health says of threads and background tasks, whichever thread answers for them. */
export interface WatchedReport extends Pick<WorkerHealth, 'threads' | 'tasks' | 'notes'> {
  /** Nothing that the worker needs keeps failing. */
  readonly healthy: boolean;
}

export function watchedReport(watched: readonly WatchedHealth[]): WatchedReport {
  const failing = watched.filter((one) => one.failing);
  return {
    healthy: failing.every((one) => !one.critical),
    notes: failing.map(noteOf),
    threads: watched.filter((one) => one.kind === 'thread'),
    tasks: watched.filter((one) => one.kind === 'task'),
  };
}

function noteOf({ name, kind, critical, restarts, lastError }: WatchedHealth): string {
  const meaning = critical ? 'the worker cannot do without it' : 'the worker does without it meanwhile';
  return `the ${kind} ${name} keeps failing (${restarts} times, last: ${lastError ?? 'unknown'}); ${meaning}`;
}
