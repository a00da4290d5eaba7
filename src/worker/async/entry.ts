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
  /** Null = nobody has ever waited. */
  waiters: Set<() => void> | null;
}

/** Fields one by one: a copy of "all but one" costs more than all else that an acceptance does here. */
export function newEntry(record: AcceptedRecord, stored: ProgressRecord | null): Entry {
  const { id, seq, name, version, timeoutMs, tid, acceptedAt, webhook, idempotency, replayOf, trace = null } = record;
  return {
    id,
    key: functionKey(name, version),
    accepted: { id, seq, name, version, timeoutMs, tid, acceptedAt, webhook, idempotency, replayOf, trace },
    progress: stored === null ? ACCEPTED : progressOf(stored),
    error: stored?.error ?? null,
    accepting: null,
    ending: false,
    waiters: null,
    priority: 0,
    order: 0,
    heapIndex: -1,
  };
}

/** The transaction id of all its attempts: its caller's, or its own id. */
export function tidOf({ tid, id }: Entry['accepted']): string {
  return tid === '' ? id : tid;
}

function progressOf({ failures, interruptions, running, dueAt }: ProgressRecord): Progress {
  return { failures, interruptions, running, dueAt };
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
      entry.waiters?.delete(done);
      resolve();
    };
    const timer = setTimeout(done, waitMs);
    entry.waiters ??= new Set();
    entry.waiters.add(done);
  });
}

export function wake(entry: Entry): void {
  for (const waiter of entry.waiters ?? []) waiter();
}
