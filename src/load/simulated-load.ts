import type { WorkerConfigInput } from '../config/schema.js';
import type { InvocationRow } from '../results/invocation-row.js';
import { blankRow, type LoadRow } from '../results/load-row.js';
import { type RunSummary, SummaryBuilder, type SummaryOptions } from '../results/summary.js';
import { type SimulationOptions, simulate } from '../sim/simulate.js';
import type { RowSink } from '../tables/sink.js';
import type { TraceSource } from '../traces/trace-source.js';
import { LoadRecorder } from './recorder.js';
import { StopConditions, type StopReason } from './stop-conditions.js';

export interface SimulatedLoadPlan {
  readonly trace: TraceSource;
  readonly config: WorkerConfigInput;
  readonly seed: number;
  readonly timeoutMs: number;
  readonly times: 'constant' | 'log-normal' | 'registration';
  readonly machine: NonNullable<SimulationOptions['machine']>;
  readonly rows: RowSink<LoadRow> | null;
  readonly summary?: SummaryOptions;
  readonly warmUpUs?: number;
  readonly progress?: (progress: { elapsedUs: number; invocations: number; failed: number }) => void;
  readonly stopSignal?: AbortSignal;
}

export interface SimulatedLoadOutcome {
  readonly summary: RunSummary;
  readonly stopped: StopReason | null;
  readonly warmUp: number;
  readonly lost: number;
}

/** A trace through the simulator instead of a worker: time is skipped, rows and summary are a live load's. Everything is sent when it is meant to be. */
export async function runSimulatedLoad(plan: SimulatedLoadPlan): Promise<SimulatedLoadOutcome> {
  const { trace, config, seed, timeoutMs, times, machine, warmUpUs = 0 } = plan;
  const summary = new SummaryBuilder(plan.summary);
  let stopped: StopReason | null = null;
  const recorder = new LoadRecorder({
    summary,
    rows: plan.rows,
    stop: new StopConditions({ maxErrorRate: 1, lostUs: Number.POSITIVE_INFINITY }),
    warmUpUs,
    ended: (reason) => {
      stopped = reason;
    },
  });
  const rows = new LoadRowsOf(recorder, () => stopped !== null || plan.stopSignal?.aborted === true);
  try {
    await simulate({
      trace,
      config,
      seed,
      times,
      machine,
      functions: { timeoutMs },
      rows,
      progress: ({ simulatedUs }) => {
        const { invocations, failed } = recorder;
        plan.progress?.({ elapsedUs: simulatedUs, invocations, failed });
      },
    }).summary();
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    stopped ??= { kind: 'interrupted', text: 'it was interrupted' };
  }
  return { summary: summary.summary(), stopped, warmUp: recorder.warmUp, lost: recorder.lost };
}

/** The simulation is to go no further. */
class Stopped extends Error {}

/** Rows of a simulation as a load's. */
class LoadRowsOf implements RowSink<InvocationRow> {
  readonly #recorder: LoadRecorder;
  readonly #stops: () => boolean;
  readonly #row: LoadRow = { ...blankRow(), worker: 'simulation', backend: 'simulated' };

  constructor(recorder: LoadRecorder, stops: () => boolean) {
    this.#recorder = recorder;
    this.#stops = stops;
  }

  row(row: Readonly<InvocationRow>): void {
    if (this.#stops()) throw new Stopped();
    const own = Object.assign(this.#row, row);
    const ran = row.startUs >= 0;
    own.sentUs = row.arrivalUs;
    own.runUs = ran ? row.endUs - row.startUs : -1;
    own.createUs = ran ? Math.max(0, row.startUs - row.arrivalUs - row.queueUs) : -1;
    own.codeUs = own.runUs;
    own.codeCold = row.state === '' ? -1 : Number(row.state === 'cold');
    this.#recorder.row(own);
  }

  backlog(): null {
    return null;
  }

  async end(): Promise<void> {}
}
