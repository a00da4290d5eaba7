import { IluvatarError } from '../../core/errors.js';
import type { LoadedFunction } from '../../load/drivers/calls.js';
import type { PreparedFunction } from '../../load/prepare.js';
import type { LoadOutcome, LoadProgress } from '../../load/run-load.js';
import type { StopReason } from '../../load/stop-conditions.js';
import type { LoadTarget } from '../../load/target.js';
import type { Work } from '../../load/work.js';
import type { Experiment } from '../../results/experiment.js';
import type { SummaryOptions } from '../../results/summary.js';
import type { Context } from '../context.js';
import { EXIT } from '../exit-codes.js';
import { seconds } from '../output.js';
import { progressLine } from './interruption.js';
import type { LoadFlags } from './load-options.js';
import { packedSources } from './packed-sources.js';
import { summaryText } from './summary-text.js';

/** One load from beginning to end: its target, its folder, its functions, its invocations, its summary. */

export interface LiveLoad {
  /** What it is called in its folder. */
  readonly kind: 'trace' | 'run' | 'simulation';
  readonly flags: LoadFlags;
  readonly target: string;
  readonly seed: number;
  readonly work: Work;
  readonly prepared: readonly PreparedFunction[];
  readonly functions: readonly LoadedFunction[];
  readonly summary: SummaryOptions;
  /** When everything will have been sent, for progress; µs; null = not known. */
  readonly lengthUs: number | null;
  /** How many there are, for progress; null = not known. */
  readonly count: number | null;
  /** For its folder: the options of the run. */
  readonly options: Readonly<Record<string, unknown>>;
}

export interface LoadSignals {
  readonly stop: AbortSignal;
  readonly giveUp: AbortSignal;
}

export async function runLiveLoad(context: Context, load: LiveLoad, signals: LoadSignals): Promise<void> {
  const { config } = await context.load();
  const { openTarget } = await import('../../load/targets/open-target.js');
  const target = await openTarget(load.target, { config });
  let closed = false;
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    await target.close();
  };
  try {
    const experiment = await createExperiment(load, config);
    try {
      await prepare(context, target, load, signals);
    } catch (error) {
      await endFailed(experiment, error);
      throw error;
    }
    const outcome = await drive(context, target, load, experiment, signals);
    await close();
    conclude(context, load, outcome, experiment);
  } finally {
    await close();
  }
}

export async function createExperiment(
  load: Pick<LiveLoad, 'flags' | 'kind' | 'seed' | 'target' | 'options'>,
  worker: unknown,
): Promise<Experiment | null> {
  const { out, name } = load.flags;
  if (out === undefined) return null;
  const { Experiment } = await import('../../results/experiment.js');
  return Experiment.create(out, {
    kind: load.kind,
    seed: load.seed,
    targets: [load.target],
    run: load.options,
    ...(name === undefined ? {} : { name }),
    // Of another process the configuration is not known.
    ...(load.target === 'worker' || load.target === 'simulated' || load.kind === 'simulation' ? { worker } : {}),
  });
}

export async function endFailed(experiment: Experiment | null, error: unknown): Promise<void> {
  if (experiment === null) return;
  const { SummaryBuilder } = await import('../../results/summary.js');
  experiment.end({ state: 'failed', error: (error as Error).message, summary: new SummaryBuilder().summary() });
}

async function prepare(context: Context, target: LoadTarget, load: LiveLoad, { stop }: LoadSignals): Promise<void> {
  if (load.prepared.length === 0) return;
  const prepared = load.flags.upload === true ? await packedSources(load.prepared) : load.prepared;
  const { prepareFunctions } = await import('../../load/prepare.js');
  const line = progressLine(context);
  try {
    await prepareFunctions(target, prepared, {
      signal: stop,
      progress: (done, all, what) => line.show(() => `${done} of ${all} ${what}`),
    });
  } catch (error) {
    throw stop.aborted ? new IluvatarError('cancelled', 'interrupted before anything was sent') : error;
  } finally {
    line.clear();
  }
}

async function drive(
  context: Context,
  target: LoadTarget,
  load: LiveLoad,
  experiment: Experiment | null,
  { stop, giveUp }: LoadSignals,
): Promise<LoadOutcome> {
  const { runLoad } = await import('../../load/run-load.js');
  const { flags } = load;
  const { config } = await context.load();
  const rows = (await experiment?.openRows()) ?? null;
  const line = progressLine(context);
  let outcome: LoadOutcome;
  try {
    outcome = await runLoad({
      work: load.work,
      functions: load.functions,
      target,
      processes: flags.processes,
      maxBodyBytes: config.transport.maxBodyBytes,
      rows,
      summary: load.summary,
      stop: { maxErrorRate: flags.maxErrorRate, lostUs: flags.lostAfter * 1000 },
      warmUpUs: flags.warmUp * 1000,
      drainMs: flags.drain,
      stopSignal: stop,
      giveUpSignal: giveUp,
      begins: (originUs) => experiment?.begin(originUs),
      progress: progressOf(load, line),
    });
  } catch (error) {
    await rows?.end().catch(() => {});
    await endFailed(experiment, error);
    throw error;
  } finally {
    line.clear();
  }
  try {
    await rows?.end();
  } catch (error) {
    return { ...outcome, stopped: outcome.stopped ?? { kind: 'not-written', text: (error as Error).message } };
  }
  return outcome;
}

function progressOf({ lengthUs, count }: LiveLoad, line: ReturnType<typeof progressLine>) {
  let last = { elapsedUs: 0, invocations: 0 };
  let rate = 0;
  return ({ elapsedUs, invocations, failed, warmUp, inFlight }: LoadProgress): void => {
    const us = elapsedUs - last.elapsedUs;
    if (us >= 1e6) {
      rate = ((invocations - last.invocations) * 1e6) / us;
      last = { elapsedUs, invocations };
    }
    line.show(() => {
      const left = lengthUs === null ? null : Math.max(0, lengthUs - elapsedUs) / 1e6;
      const of = count === null ? '' : ` of ${count}`;
      const parts = [
        seconds(elapsedUs / 1e6),
        warmUp > 0 && invocations === 0 ? `warming up, ${warmUp}` : `${invocations}${of} invocations`,
        `${rate.toFixed(0)}/s`,
        `${failed} failed`,
        `${inFlight} in flight`,
      ];
      if (left !== null) parts.push(`${seconds(left)} left`);
      return parts.join(', ');
    });
  };
}

/** What a load of any kind ends with: its folder, its summary on the terminal, and its exit code. */
export function conclude(
  context: Context,
  { flags }: Pick<LiveLoad, 'flags'>,
  { summary, stopped, warmUp, lost }: LoadOutcome,
  experiment: Experiment | null,
): void {
  let failure = stopped;
  try {
    const state = stopped === null ? 'finished' : stopped.kind === 'not-written' ? 'failed' : 'interrupted';
    experiment?.end({ state, ...(stopped === null ? {} : { error: stopped.text }), summary });
  } catch (error) {
    failure ??= { kind: 'not-written', text: (error as Error).message };
  }
  context.print(summary, summaryText);
  if (!context.json) {
    if (warmUp > 0) context.note(`${warmUp} more in the warm-up`);
    if (experiment !== null) context.note(`kept in ${experiment.folder}${lost > 0 ? `, but for ${lost} rows` : ''}`);
  }
  if (failure !== null) fail(failure, flags);
}

function fail({ kind, text }: StopReason, { out }: LoadFlags): void {
  switch (kind) {
    case 'interrupted':
      process.exitCode = EXIT.cancelled;
      return;
    case 'error-rate':
      throw new IluvatarError('user_error', `the load was ended: ${text}`);
    case 'target-lost':
      throw new IluvatarError('unavailable', `the load was ended: ${text}`);
    case 'not-written':
      throw new IluvatarError('unavailable', `the load was ended: ${text}; ${out} has what was written before`);
    case 'generator-failed':
      throw new IluvatarError('internal', `the load was ended: ${text}`);
  }
}
