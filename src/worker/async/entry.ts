import type { AsyncFailure, AsyncInvocation, AsyncStatus } from '../../config/api.js';
import { functionKey } from '../../core/function.js';
import type { Alarm } from './alarms.js';
import { ACCEPTED, attemptsOf, type Progress } from './invocation-state.js';
import type { AcceptedRecord, ProgressRecord } from './records.js';

/** One unfinished invocation in memory: all but its arguments, which stay in the store until they are needed. */
export interface Entry extends Alarm {
  readonly id: string;
  /** Of its function. */
  readonly key: string;
  readonly accepted: Omit<AcceptedRecord, 'args'>;
  progress: Progress;
  /** Of the last attempt that failed. */
  error: AsyncFailure | null;
  /** Until it is on the disk; null = it is. */
  accepting: Promise<void> | null;
  /** Its end is being stored. */
  ending: boolean;
  readonly waiters: Set<() => void>;
}

export function newEntry({ args, ...accepted }: AcceptedRecord, record: ProgressRecord | null): Entry {
  const { error, ...progress } = record ?? { ...ACCEPTED, error: null };
  return {
    id: accepted.id,
    key: functionKey(accepted.name, accepted.version),
    accepted,
    progress,
    error,
    accepting: null,
    ending: false,
    waiters: new Set(),
    priority: 0,
    order: 0,
    heapIndex: -1,
  };
}

export function viewOf({ id, accepted, progress, error, ending }: Entry): AsyncInvocation {
  const { name, version, acceptedAt } = accepted;
  const attempts = attemptsOf(progress);
  // Until its end is on the disk nobody is told of it.
  const status: AsyncStatus = progress.running || ending ? 'running' : attempts > 0 ? 'retrying' : 'queued';
  return { id, status, name, version, attempts, acceptedAt, finishedAt: null, result: null, error };
}

/** Resolves when it has ended, when the worker ends, or after so long. */
export function waitForEnd(entry: Entry, waitMs: number): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      entry.waiters.delete(done);
      resolve();
    };
    const timer = setTimeout(done, waitMs);
    entry.waiters.add(done);
  });
}

export function wake(entry: Entry): void {
  for (const waiter of entry.waiters) waiter();
}
