import type {
  Device,
  ErrorClass,
  ErrorDetails,
  FailedAttempt,
  FunctionRecord,
  Invocation,
  Outcome,
} from '../../core/index.js';

/** What is kept of an ended invocation until its spans are made: the invocation itself holds its caller and its arguments. */
export interface SettledInvocation {
  readonly fn: FunctionRecord;
  readonly tid: string;
  readonly device: Device;
  /** Times are the engine's clock, µs; 0 = it never came so far. */
  readonly enqueuedAt: number;
  readonly dispatchedAt: number;
  readonly runningAt: number;
  readonly endedAt: number;
  readonly runUs: number;
  readonly throttledUs: number;
  readonly state: 'cold' | 'prewarm' | 'warm' | null;
  readonly backend: string | null;
  /** Name of its container; '' = it had none. */
  readonly container: string;
  readonly attempts: number;
  readonly failedAttempts: readonly FailedAttempt[] | null;
  readonly errorClass: ErrorClass | null;
  readonly message: string | null;
  readonly details: ErrorDetails | null;
  /** What brought it, in the words of OpenTelemetry's `faas.trigger`. */
  readonly trigger: Trigger;
}

/** `pubsub`: accepted first, and run later. */
export type Trigger = 'http' | 'pubsub' | 'timer' | 'other';

export function settledInvocation(
  invocation: Invocation,
  outcome: Outcome,
  about: Pick<SettledInvocation, 'tid' | 'endedAt' | 'container' | 'trigger'>,
): SettledInvocation {
  const { fn, device, enqueuedAt, dispatchedAt, runningAt, containerState, attempts, failedAttempts } = invocation;
  const { runUs, throttledUs = 0, errorClass, message, details } = outcome;
  return {
    fn,
    device,
    enqueuedAt,
    dispatchedAt,
    runningAt,
    runUs,
    throttledUs,
    state: containerState,
    backend: invocation.container?.backend ?? null,
    attempts,
    failedAttempts,
    errorClass,
    message,
    details,
    ...about,
  };
}

export interface Phase {
  readonly name: 'queue' | 'create' | 'run';
  /** The engine's clock; µs. */
  readonly from: number;
  readonly to: number;
}

/** Where its time went, in order and without a gap. What it did not come to is not there; without creation `create` is not. */
export function phasesOf({ enqueuedAt, dispatchedAt, runningAt, endedAt }: SettledInvocation): Phase[] {
  if (dispatchedAt === 0) return [{ name: 'queue', from: enqueuedAt, to: endedAt }];
  const phases: Phase[] = [{ name: 'queue', from: enqueuedAt, to: dispatchedAt }];
  const begun = runningAt === 0 ? endedAt : runningAt;
  if (begun > dispatchedAt) phases.push({ name: 'create', from: dispatchedAt, to: begun });
  if (runningAt > 0) phases.push({ name: 'run', from: runningAt, to: endedAt });
  return phases;
}
