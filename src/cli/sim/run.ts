import type { Distribution } from '../../results/distribution.js';
import { type InvocationRow, invocationTable } from '../../results/invocation-row.js';
import { type SecondRow, secondTable } from '../../results/second-row.js';
import type { SimulationOptions } from '../../sim/simulate.js';
import type { PowerSummary, SimulationSummary } from '../../sim/summary.js';
import type { RowSink } from '../../tables/sink.js';
import { action, type CommandHost } from '../command-host.js';
import type { Context } from '../context.js';
import { UsageError } from '../exit-codes.js';
import { facts, joules, microseconds, seconds } from '../output.js';
import { parseInteger, parseNumber } from '../parse.js';
import {
  addMachineOptions,
  addTraceOptions,
  type MachineFlags,
  type TraceFlags,
  traceOptions,
} from './trace-options.js';

/** `iluvatar sim run`: one trace, one configuration, one seed. */

const TIME_MODELS = ['constant', 'log-normal', 'registration', 'measured'] as const;

interface Options extends TraceFlags, MachineFlags {
  seed?: number;
  out?: string;
  series?: string;
  timeModel: string;
  measured?: string;
  retries?: number;
  idleWatts?: number;
  coreWatts?: number;
  gpuWatts?: number;
  creationFailures: number;
  crashes: number;
}

export function addSimRunCommand(host: CommandHost): void {
  addMachineOptions(
    addTraceOptions(
      host.add('run', 'run a trace through the engine of a worker and say what came of it', [
        'sim run --trace trace.csv --functions functions.csv',
        'sim run --trace trace.csv --functions functions.csv --seed 7 --out runs.parquet --series seconds.csv',
        'sim run --trace trace.csv --functions functions.csv --set memory.budgetMb=4096 --set keepAlive.policy=ttl --json',
        'sim run --trace trace.csv --functions functions.csv --time-model measured --measured live.csv',
        'sim run --trace trace.csv --functions functions.csv --idle-watts 20 --core-watts 10 --set energy.cap.watts=60',
      ]),
    ),
    TIME_MODELS,
  )
    .option('--seed <number>', 'of all chance (default: that of the configuration)', parseInteger)
    .option('--out <file>', 'one row an invocation: .csv, .jsonl or .parquet')
    .option('--series <file>', 'one row a second: .csv, .jsonl or .parquet')
    .option('--measured <file>', 'of measured: rows of a run, .csv or .jsonl, as --out writes them')
    .option('--idle-watts <number>', "models the machine's power: what it takes when nothing runs", parseNumber)
    .option('--core-watts <number>', 'what each busy core adds', parseNumber)
    .option('--gpu-watts <number>', 'what each busy GPU adds', parseNumber)
    .option('--retries <count>', "of failures that are not the function's (default: 0)", parseInteger)
    .option('--creation-failures <chance>', 'of a container that cannot be made, 0 to 1', parseNumber, 0)
    .option('--crashes <chance>', 'of a container that dies in a run, 0 to 1', parseNumber, 0)
    .action(
      action(async (context, options: Options) => {
        const simulation = await optionsOf(context, options);
        const { simulate } = await import('../../sim/simulate.js');
        const beganAt = performance.now();
        const progress = progressLine(context, beganAt);
        const summary = await simulate({ ...simulation, progress: progress.show }).summary();
        const wallMs = performance.now() - beganAt;
        progress.clear();
        context.print(summary, summaryText);
        const pace = Math.round(summary.invocations / (wallMs / 1000));
        if (!context.json) context.note(`${microseconds(wallMs * 1000)} of wall time, ${pace} invocations/s`);
      }),
    );
}

async function optionsOf(context: Context, options: Options): Promise<SimulationOptions> {
  const { config } = await context.load();
  const seed = options.seed ?? config.seed;
  const { openTrace } = await import('../../traces/open-trace.js');
  const { cores, machineMemory, timeout, retries } = options;
  const opened = await openTrace(traceOptions(options, seed));
  const times = await timesOf(options, seed);
  // The sinks last: nothing that is refused may leave an empty file behind.
  const { rows, series } = await sinksOf(options);
  return {
    trace: opened,
    config,
    seed,
    times,
    ...given({ sigma: options.sigma }),
    machine: given({ cores, memoryMb: machineMemory }),
    functions: given({ timeoutMs: timeout, retries }),
    failures: {
      creation: chance('--creation-failures', options.creationFailures),
      crash: chance('--crashes', options.crashes),
    },
    rows,
    series,
    ...powerOf(options),
  };
}

/** Modelled if any of it is given. */
function powerOf({ idleWatts, coreWatts, gpuWatts }: Options): Pick<SimulationOptions, 'power'> {
  if (idleWatts === undefined && coreWatts === undefined && gpuWatts === undefined) return {};
  const power = { idleWatts: idleWatts ?? 0, wattsPerCore: coreWatts ?? 0, wattsPerGpu: gpuWatts ?? 0 };
  if (Math.min(...Object.values(power)) < 0) throw new UsageError('watts must be 0 or more');
  return { power };
}

/** What was not given must not stand in the way of a default. */
function given<T extends Record<string, unknown>>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}

function chance(option: string, value: number): number {
  if (value >= 0 && value <= 1) return value;
  throw new UsageError(`${option} must be from 0 to 1, not ${value}`);
}

async function timesOf(
  { timeModel, measured }: Options,
  seed: number,
): Promise<NonNullable<SimulationOptions['times']>> {
  if ((measured !== undefined) !== (timeModel === 'measured')) {
    throw new UsageError('--time-model measured and --measured <file> belong together');
  }
  switch (timeModel) {
    case 'constant':
    case 'log-normal':
    case 'registration':
      return timeModel;
    case 'measured': {
      const { readMeasuredRuns } = await import('../../sim/measured-runs.js');
      return readMeasuredRuns(measured as string, seed);
    }
    default:
      throw new UsageError(`--time-model must be one of ${TIME_MODELS.join(', ')}, not "${timeModel}"`);
  }
}

async function sinksOf({
  out,
  series,
}: Options): Promise<{ rows: RowSink<InvocationRow> | null; series: RowSink<SecondRow> | null }> {
  if (out === undefined && series === undefined) return { rows: null, series: null };
  const { openSink } = await import('../../tables/open-sink.js');
  return {
    rows: out === undefined ? null : await openSink(out, invocationTable),
    series: series === undefined ? null : await openSink(series, secondTable),
  };
}

/** Only on a terminal, and only once it has become clear that it takes a while. */
function progressLine(
  context: Context,
  beganAt: number,
): { show: NonNullable<SimulationOptions['progress']>; clear: () => void } {
  const { stderr } = process;
  let shownAt = beganAt + PROGRESS_AFTER_MS - PROGRESS_EVERY_MS;
  let shown = false;
  return {
    show: ({ invocations, simulatedUs }) => {
      const now = performance.now();
      if (context.json || stderr.isTTY !== true || now - shownAt < PROGRESS_EVERY_MS) return;
      shownAt = now;
      shown = true;
      stderr.write(`\r\x1b[K${invocations} invocations, ${seconds(simulatedUs / 1e6)} simulated`);
    },
    clear: () => {
      if (shown) stderr.write('\r\x1b[K');
    },
  };
}

const PROGRESS_AFTER_MS = 1000;
const PROGRESS_EVERY_MS = 200;

function summaryText(summary: SimulationSummary): string {
  const { invocations, outcomes, states, coldRatio, queueUs, endToEndUs, slowdown, memory, containers } = summary;
  const counts = (of: Readonly<Record<string, number>>): string =>
    Object.entries(of)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ');
  const spread = ({ mean, p50, p99, max }: Distribution, show: (value: number) => string): string =>
    `mean ${show(mean)}, p50 ${show(p50)}, p99 ${show(p99)}, max ${show(max)}`;
  const times = (value: number): string => `${value.toFixed(2)} ×`;
  return facts([
    ['invocations', `${invocations}: ${counts(outcomes)}`],
    ['containers found', `${counts(states)}; ${(100 * coldRatio).toFixed(2)} % cold`],
    ['queued for', spread(queueUs, microseconds)],
    ['end to end', spread(endToEndUs, microseconds)],
    ['slowdown', spread(slowdown, times)],
    [
      'memory',
      `${memory.meanRunningMb.toFixed(0)} MiB running, ${memory.meanCachedMb.toFixed(0)} MiB cached on average`,
    ],
    ['containers', counts({ ...containers })],
    ...(summary.power === null ? [] : [['power', powerText(summary.power)] as const]),
    ['simulated', seconds(summary.simulatedUs / 1e6)],
  ]);
}

function powerText({ meanWatts, maxWatts, joules: took, holds, forced }: PowerSummary): string {
  const held = holds === 0 ? '' : `; ${holds} holds, ${forced} as long as they may be`;
  return (
    `mean ${meanWatts.toFixed(1)} W, at most ${maxWatts.toFixed(1)} W; ${joules(took.invocations)} by invocations, ` +
    `${joules(took.idle)} idle, ${joules(took.other)} other${held}`
  );
}
