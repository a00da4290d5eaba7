import type { FunctionDefinitionInput } from '../../config/api.js';
import type { GeneratorFacts } from '../../results/generator.js';
import type { LoadRow } from '../../results/load-row.js';
import { type RunSummary, SummaryBuilder } from '../../results/summary.js';
import type { RowSink } from '../../tables/sink.js';
import type { ClosedLoopOptions } from '../drivers/closed-loop.js';
import { prepareFunctions } from '../prepare.js';
import { type LoadOutcome, type LoadProgress, runLoad } from '../run-load.js';
import type { StopReason } from '../stop-conditions.js';
import type { LoadTarget } from '../target.js';
import { ShiftedRows } from './shifted-rows.js';
import { type Registration, TimedRegistrations } from './timed-registrations.js';

/** How a target's throughput and latency change with the number of closed-loop clients, step by step. */

export interface ScalingPlan {
  readonly target: LoadTarget;
  /** Clients of each step. */
  readonly steps: readonly number[];
  /** Of each step; µs. */
  readonly durationUs: number;
  /** Name and version are added: `scaling-<clients>`, and the number of the client. */
  readonly definition: Omit<FunctionDefinitionInput, 'name' | 'version'>;
  readonly archive: Uint8Array | null;
  /** JSON text. */
  readonly args: string;
  /** All clients call one function; otherwise each has its own, as in the original. */
  readonly shared: boolean;
  /** A container for each client, before the first invocation. */
  readonly prewarm: boolean;
  readonly thinkUs: number;
  readonly thinking: ClosedLoopOptions['thinking'];
  /** Of each step: what is sent before is neither counted nor written; µs. */
  readonly warmUpUs: number;
  readonly processes: number;
  readonly childTarget?: string | undefined;
  readonly maxBodyBytes: number;
  readonly maxErrorRate: number;
  readonly lostUs: number;
  readonly seed: number;
  /** All rows of all steps, on one clock. */
  readonly rows: RowSink<LoadRow> | null;
  readonly stopSignal: AbortSignal;
  readonly giveUpSignal: AbortSignal;
  /** When the clock of the rows begins; µs of the machine's. Called once. */
  readonly begins: (originUs: number) => void;
  readonly progress?: (clients: number, progress: LoadProgress | null) => void;
  readonly stepBegins?: (clients: number) => void;
  readonly stepEnded?: (step: ScalingStep) => Promise<void>;
}

export interface ScalingStep {
  readonly clients: number;
  readonly registrations: readonly Registration[];
  readonly outcome: LoadOutcome;
}

export interface ScalingOutcome {
  /** Of all steps; `steps` has each. */
  readonly summary: RunSummary;
  readonly steps: readonly ScalingStep[];
  /** Null = all steps were made. */
  readonly stopped: StopReason | null;
}

/** Makes all steps, until one is stopped. Rejects when a step cannot begin and none has been made. */
export async function runScaling(plan: ScalingPlan): Promise<ScalingOutcome> {
  const all = new SummaryBuilder();
  const steps: ScalingStep[] = [];
  let stopped: StopReason | null = null;
  let firstOriginUs = -1;
  for (const clients of plan.steps) {
    if (plan.stopSignal.aborted) stopped = { kind: 'interrupted', text: 'it was interrupted' };
    if (stopped !== null) break;
    let originUs = 0;
    plan.stepBegins?.(clients);
    const rows = new ShiftedRows(
      () => originUs - firstOriginUs,
      (row) => {
        all.add(row);
        plan.rows?.row(row);
      },
    );
    try {
      const step = await runStep(plan, clients, rows, (at) => {
        originUs = at;
        if (firstOriginUs >= 0) return;
        firstOriginUs = at;
        plan.begins(at);
      });
      steps.push(step);
      await plan.stepEnded?.(step);
      stopped = step.outcome.stopped;
    } catch (error) {
      if (steps.length === 0) throw error;
      stopped = plan.stopSignal.aborted
        ? { kind: 'interrupted', text: 'it was interrupted' }
        : { kind: 'generator-failed', text: `the step of ${clients} clients: ${(error as Error).message}` };
    }
  }
  return { summary: all.summary(generatorOf(steps, plan.processes)), steps, stopped };
}

async function runStep(
  plan: ScalingPlan,
  clients: number,
  rows: RowSink<LoadRow>,
  begins: (originUs: number) => void,
): Promise<ScalingStep> {
  const target = new TimedRegistrations(plan.target);
  plan.progress?.(clients, null);
  const name = `scaling-${clients}`;
  const versions = plan.shared ? ['0'] : Array.from({ length: clients }, (_, client) => String(client));
  const prewarms = plan.prewarm ? (plan.shared ? clients : 1) : 0;
  const prepared = versions.map((version) => ({
    definition: { ...plan.definition, name, version },
    archive: plan.archive,
    // What an earlier run has left may be another function.
    replace: true,
    prewarms,
  }));
  // All at once, as clients that come together are: what registering takes then is a part of what is measured.
  await prepareFunctions(target, prepared, { registrations: clients, signal: plan.stopSignal });
  const outcome = await runLoad({
    work: {
      kind: 'closed',
      clients,
      thinkUs: plan.thinkUs,
      thinking: plan.thinking,
      rampUs: 0,
      untilUs: plan.warmUpUs + plan.durationUs,
      count: Number.POSITIVE_INFINITY,
      seed: plan.seed,
    },
    functions: versions.map((version) => ({ name, version, args: plan.args, timeoutMs: 0 })),
    target: plan.target,
    processes: Math.min(plan.processes, clients),
    ...(plan.childTarget === undefined ? {} : { childTarget: plan.childTarget }),
    maxBodyBytes: plan.maxBodyBytes,
    rows,
    warmUpUs: plan.warmUpUs,
    clients,
    stop: { maxErrorRate: plan.maxErrorRate, lostUs: plan.lostUs },
    stopSignal: plan.stopSignal,
    giveUpSignal: plan.giveUpSignal,
    begins,
    progress: (progress) => plan.progress?.(clients, progress),
  });
  // The containers of this step would take the memory of the next one's.
  if (outcome.stopped === null) await plan.target.clean();
  return { clients, registrations: target.registrations, outcome };
}

/** The worst of all steps. */
function generatorOf(steps: readonly ScalingStep[], processes: number): GeneratorFacts {
  const facts = steps.map(({ outcome }) => outcome.summary.generator);
  const utilisations = facts.flatMap(({ eventLoopUtilisation }) => eventLoopUtilisation ?? []);
  return {
    ...(utilisations.length === 0 ? {} : { eventLoopUtilisation: Math.max(...utilisations) }),
    heldBack: facts.reduce((sum, { heldBack }) => sum + (heldBack ?? 0), 0),
    processes,
  };
}
