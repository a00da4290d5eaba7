import type { LoadRow } from '../results/load-row.js';
import { type RunSummary, SummaryBuilder, type SummaryOptions } from '../results/summary.js';
import type { RowSink } from '../tables/sink.js';
import type { LoadedFunction } from './drivers/calls.js';
import { type Generator, LocalGenerator } from './generator.js';
import { ProcessGenerator } from './processes/process-generator.js';
import { LoadRecorder } from './recorder.js';
import { machineUs } from './run-clock.js';
import { StopConditions, type StopOptions, type StopReason } from './stop-conditions.js';
import type { LoadTarget } from './target.js';
import { ALONE, type Work } from './work.js';

export interface LoadPlan {
  readonly work: Work;
  /** Registered with the target, in the order in which the work numbers them. */
  readonly functions: readonly LoadedFunction[];
  readonly target: LoadTarget;
  /** 1 unless given: this one. Several open the target anew each. */
  readonly processes?: number;
  readonly maxBodyBytes?: number;
  /** Where rows go; ended by whoever made it. */
  readonly rows?: RowSink<LoadRow> | null;
  readonly summary?: SummaryOptions | SummaryBuilder;
  readonly stop?: Partial<StopOptions>;
  /** Invocations that are meant to be sent before this are sent, and neither counted nor written; µs. */
  readonly warmUpUs?: number;
  /** After the last was sent: how long to wait for answers; ms. */
  readonly drainMs?: number;
  /** Number of clients, in the rows of a step of a scaling run. */
  readonly clients?: number;
  /** Aborted: nothing more is sent; what is in flight is awaited for `interruptedDrainMs`. */
  readonly stopSignal?: AbortSignal;
  /** Aborted: nothing is awaited any longer. */
  readonly giveUpSignal?: AbortSignal;
  readonly interruptedDrainMs?: number;
  /** When the clock begins, in a moment: times of rows count from then; µs of the machine's monotonic clock. */
  readonly begins?: (originUs: number) => void;
  readonly progress?: (progress: LoadProgress) => void;
}

export interface LoadProgress {
  readonly elapsedUs: number;
  /** Ended, of the measured part, and of these the failed ones. */
  readonly invocations: number;
  readonly failed: number;
  readonly warmUp: number;
  readonly inFlight: number;
}

export interface LoadOutcome {
  readonly summary: RunSummary;
  /** Null = everything was sent. */
  readonly stopped: StopReason | null;
  /** Ended in the warm-up, and neither counted nor written. */
  readonly warmUp: number;
  /** Rows that could not be written. */
  readonly lost: number;
}

const DEFAULT_STOP: StopOptions = { maxErrorRate: 1, lostUs: 10_000_000 };
const DEFAULT_DRAIN_MS = 300_000;
const DEFAULT_INTERRUPTED_DRAIN_MS = 5000;
const DEFAULT_MAX_BODY_BYTES = 64 * 1024 * 1024;
const PROGRESS_MS = 250;
/** From the word to the beginning: what is noted of it is written, and all processes have heard it. */
const BEGIN_IN_US = 200_000;

/**
 * Drives a load and resolves when all that was sent has its row, with its summary. What stops it early (a lost target, too many failures, a disk that is full, a
 * signal) is told in `stopped`: what there is up to then is kept. Rejects only when nothing could be sent at all: a process that cannot begin, a trace that cannot be read.
 */
export async function runLoad(plan: LoadPlan): Promise<LoadOutcome> {
  const { summary: given, processes = 1 } = plan;
  const summary = given instanceof SummaryBuilder ? given : new SummaryBuilder(given);
  let stopped: StopReason | null = null;
  let drain: NodeJS.Timeout | null = null;
  const giveUp = (why: string): void => generator.giveUp(why);
  const stop = (reason: StopReason): void => {
    if (stopped !== null) return;
    stopped = reason;
    generator.stop();
    const drainMs = plan.interruptedDrainMs ?? DEFAULT_INTERRUPTED_DRAIN_MS;
    drain = setTimeout(giveUp, drainMs, `the load ended (${reason.kind}) before it was answered`);
  };
  const recorder = new LoadRecorder({
    summary,
    rows: plan.rows ?? null,
    stop: new StopConditions({ ...DEFAULT_STOP, ...plan.stop }),
    warmUpUs: plan.warmUpUs ?? 0,
    ended: stop,
  });
  const generator = generatorOf(plan, recorder);
  const interrupted = (): void => stop({ kind: 'interrupted', text: 'it was interrupted' });
  const hurried = (): void => giveUp('the load was interrupted before it was answered');
  plan.stopSignal?.addEventListener('abort', interrupted);
  plan.giveUpSignal?.addEventListener('abort', hurried);
  if (plan.stopSignal?.aborted === true) interrupted();
  const watch = watchOf(plan, generator, recorder);
  try {
    await generator.prepare();
    const originUs = machineUs() + BEGIN_IN_US;
    plan.begins?.(originUs);
    await generator.run(originUs);
  } catch (error) {
    if (recorder.invocations + recorder.warmUp === 0) throw error;
    stopped ??= { kind: 'generator-failed', text: (error as Error).message };
  } finally {
    watch.end();
    clearTimeout(drain ?? undefined);
    plan.stopSignal?.removeEventListener('abort', interrupted);
    plan.giveUpSignal?.removeEventListener('abort', hurried);
  }
  return {
    summary: summary.summary({ ...generator.facts(), processes }),
    stopped,
    warmUp: recorder.warmUp,
    lost: recorder.lost,
  };
}

function generatorOf(plan: LoadPlan, rows: LoadRecorder): Generator {
  const { work, functions, target, processes = 1, clients = -1, maxBodyBytes = DEFAULT_MAX_BODY_BYTES } = plan;
  if (processes === 1) return new LocalGenerator({ work, functions, target, rows, share: ALONE, clients });
  const job = { target: target.reachableAt ?? target.address, maxBodyBytes, work, functions, clients };
  return new ProcessGenerator(job, processes, rows);
}

/** Looks four times a second: shows progress, and gives up what is in flight when it is too long since the last was sent. */
function watchOf(plan: LoadPlan, generator: Generator, recorder: LoadRecorder): { end: () => void } {
  const { drainMs = DEFAULT_DRAIN_MS } = plan;
  const lastUs = plan.work.untilUs;
  const timer = setInterval(() => {
    const elapsedUs = generator.clock.now();
    if (elapsedUs < 0) return;
    const { invocations, failed, warmUp } = recorder;
    plan.progress?.({ elapsedUs, invocations, failed, warmUp, inFlight: generator.inFlight });
    if (elapsedUs > lastUs + drainMs * 1000)
      generator.giveUp(`it was not answered within ${drainMs / 1000} s of the end`);
  }, PROGRESS_MS);
  return { end: () => clearInterval(timer) };
}
