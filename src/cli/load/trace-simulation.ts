import type { LoadOutcome } from '../../load/run-load.js';
import type { SummaryOptions } from '../../results/summary.js';
import type { TraceSource } from '../../traces/trace-source.js';
import type { Context } from '../context.js';
import { seconds } from '../output.js';
import type { MachineFlags } from '../sim/trace-options.js';
import { progressLine } from './interruption.js';
import { conclude, createExperiment, endFailed, type LoadSignals } from './live-load.js';
import type { LoadFlags } from './load-options.js';

/** `iluvatar load trace --setup simulation`: the same table, summary and folder as a live load. */

export interface TraceSimulation {
  readonly flags: LoadFlags & MachineFlags;
  readonly seed: number;
  readonly trace: TraceSource;
  readonly timeModel: 'constant' | 'log-normal' | 'registration';
  readonly summary: SummaryOptions;
  readonly options: Readonly<Record<string, unknown>>;
  readonly count: number;
}

export async function runTraceSimulation(
  context: Context,
  { flags, seed, trace, timeModel, summary, options, count }: TraceSimulation,
  { stop }: LoadSignals,
): Promise<void> {
  const { config } = await context.load();
  const { runSimulatedLoad } = await import('../../load/simulated-load.js');
  const { cores, machineMemory, timeout = 60_000, warmUp } = flags;
  const experiment = await createExperiment({ flags, kind: 'simulation', seed, target: 'simulation', options }, config);
  const rows = (await experiment?.openRows()) ?? null;
  const line = progressLine(context);
  let outcome: LoadOutcome;
  experiment?.begin();
  try {
    outcome = await runSimulatedLoad({
      trace,
      config,
      seed,
      timeoutMs: timeout,
      times: timeModel,
      machine: {
        ...(cores === undefined ? {} : { cores }),
        ...(machineMemory === undefined ? {} : { memoryMb: machineMemory }),
      },
      rows,
      summary,
      warmUpUs: warmUp * 1000,
      stopSignal: stop,
      progress: ({ elapsedUs, invocations, failed }) =>
        line.show(
          () => `${seconds(elapsedUs / 1e6)} simulated, ${invocations} of ${count} invocations, ${failed} failed`,
        ),
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
    outcome = { ...outcome, stopped: outcome.stopped ?? { kind: 'not-written', text: (error as Error).message } };
  }
  conclude(context, { flags }, outcome, experiment);
}
