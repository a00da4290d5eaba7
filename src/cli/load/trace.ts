import { rmSync } from 'node:fs';
import { LOAD_TYPES } from '../../load/functions/load-types.js';
import type { LoadTraceOptions } from '../../load/load-trace.js';
import type { TraceFunction } from '../../traces/trace-source.js';
import { action, type CommandHost } from '../command-host.js';
import type { Context } from '../context.js';
import { UsageError } from '../exit-codes.js';
import { parseDuration, parseMemory, parseNumber } from '../parse.js';
import { addMachineOptions, addReplayOptions, choice, type MachineFlags, SPREADS } from '../sim/trace-options.js';
import { interruptible } from './interruption.js';
import { type LiveLoad, type LoadSignals, runLiveLoad } from './live-load.js';
import { addLoadOptions, checkLoadFlags, type LoadFlags, targetOf } from './load-options.js';

/** `iluvatar load trace`: the arrivals of a trace, in real time against a worker, or through the simulator. */

const SETUPS = ['live', 'simulation'] as const;
const TIME_MODELS = ['constant', 'log-normal', 'registration'] as const;
/** What the runtime of a synthetic function needs beside what the trace says; MiB. */
const LOOKBUSY_EXTRA_MB = 50;
/** Less is too little for an interpreter with libraries; MiB. */
const FUNCTIONS_LEAST_MB = 128;

export interface TraceLoadFlags extends LoadFlags, MachineFlags {
  trace: string;
  functions?: string;
  functionData?: string;
  setup: string;
  loadType: string;
  repeat: number;
  prewarms: number;
  maxPrewarms: number;
  spread: string;
  functionsDir?: string;
  busy: number;
  holdMemory?: boolean;
  timeScale: number;
  warmScale: number;
  coldScale: number;
  maxCold?: number;
  extraMemory?: number;
  timeModel: string;
}

export function addLoadTraceCommand(host: CommandHost): void {
  const command = host.add(
    'trace',
    'replay a trace of invocations, in real time or simulated, and say what came of it',
    [
      'load trace --trace trace.csv --functions functions.csv --target worker --load-type lookbusy --busy 0 -o run-1',
      'load trace -i trace.csv -m functions.csv -f worker_function_benchmarks.json --target http://127.0.0.1:8080',
      'load trace -i trace.csv -m functions.csv --setup simulation --set memory.budgetMb=4096 -o run-2',
    ],
  );
  addMachineOptions(addLoadOptions(command), TIME_MODELS)
    .requiredOption('-i, --trace <file>', 'arrivals: a CSV, or a folder in the layout of the Azure trace of 2019')
    .option('-m, --functions <file>', 'the functions of a CSV trace')
    .option('-f, --function-data <file>', 'benchmark results: which real function stands for one of the trace')
    .option(
      '-s, --setup <kind>',
      `${SETUPS.join(' (in real time) or ')} (time is skipped; the target is the simulator)`,
      'live',
    )
    .option('-l, --load-type <kind>', `what runs: ${LOAD_TYPES.join(' (synthetic) or ')} (real ones)`, 'functions');
  addReplayOptions(command)
    .option('--functions-dir <folder>', 'where the sources of real functions are (default: those of this package)')
    .option('--busy <share>', 'of lookbusy: of its time, 0 (sleeps) to 1', parseNumber, 1)
    .option('--hold-memory', 'of lookbusy: hold and write all the memory that it has')
    .option('--time-scale <factor>', 'stretch the times between arrivals', parseNumber, 1)
    .option('--warm-scale <factor>', 'stretch the times inside functions', parseNumber, 1)
    .option('--cold-scale <factor>', 'stretch what cold starts take beyond that', parseNumber, 1)
    .option('--max-cold <duration>', 'most of that, after stretching', parseDuration)
    .option(
      '--extra-memory <amount>',
      `added to each function's (default: ${LOOKBUSY_EXTRA_MB}m for lookbusy)`,
      parseMemory,
    )
    .action(
      action(async (context, flags: TraceLoadFlags) => {
        checkLoadFlags(flags);
        await interruptible(context, async (signals) => await loadTrace(context, flags, signals));
      }),
    );
}

async function loadTrace(context: Context, flags: TraceLoadFlags, signals: LoadSignals): Promise<void> {
  const setup = choice('--setup', SETUPS, flags.setup);
  const { config } = await context.load();
  const seed = flags.seed ?? config.seed;
  const { openLoadTrace } = await import('../../load/load-trace.js');
  const { LimitedArrivals } = await import('../../load/arrivals/limited-arrivals.js');
  const { describeArrivals } = await import('../../load/arrivals/describe-arrivals.js');
  const traceOptions = traceOptionsOf(flags, seed);
  const trace = await openLoadTrace(traceOptions);
  const untilUs = flags.duration === undefined ? Number.POSITIVE_INFINITY : flags.duration * 1000;
  const limits = { untilUs, count: flags.count ?? Number.POSITIVE_INFINITY, share: 0, shares: 1 };
  const limited = new LimitedArrivals(trace, limits);
  const facts = await describeArrivals(limited);
  if (facts.count === 0) throw new UsageError(`${flags.trace} has no arrival in that time`);
  const warmUs = new Map(trace.functions.map((fn) => [`${fn.name}@${fn.version}`, Math.max(1, fn.warmUs)]));
  const common = { flags, seed, summary: { warmUs }, options: { ...flags, seed }, count: facts.count };
  if (setup === 'simulation') {
    const { runTraceSimulation } = await import('./trace-simulation.js');
    const source = { functions: trace.functions, arrivals: () => limited.arrivals() };
    await runTraceSimulation(
      context,
      { ...common, trace: source, timeModel: choice('--time-model', TIME_MODELS, flags.timeModel) },
      signals,
    );
    return;
  }
  const target = await targetOf(context, flags);
  // Functions that are never called need not be there.
  const { made, temporary } = await functionsOf(flags, trace.functions, target, facts.byFunction);
  try {
    const load: LiveLoad = {
      ...common,
      kind: 'trace',
      target,
      prepared: made.prepared,
      functions: made.loaded,
      lengthUs: facts.lastUs,
      work: {
        kind: 'open',
        arrivals: { from: 'trace', trace: traceOptions },
        untilUs: Math.min(untilUs, facts.lastUs + 1),
        count: limits.count,
        maxInFlight: flags.maxInFlight,
        overLimit: choice('--over-limit', ['wait', 'drop'], flags.overLimit),
      },
    };
    await runLiveLoad(context, load, signals);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

function traceOptionsOf(flags: TraceLoadFlags, seed: number): LoadTraceOptions {
  const { trace, functions, functionData: benchmark, repeat, prewarms, maxPrewarms, maxCold } = flags;
  const lookbusy = choice('--load-type', LOAD_TYPES, flags.loadType) === 'lookbusy';
  return {
    trace,
    functions,
    benchmark,
    repeat,
    prewarms,
    maxPrewarms,
    seed,
    spread: choice('--spread', SPREADS, flags.spread),
    scale: {
      time: flags.timeScale,
      warm: flags.warmScale,
      cold: flags.coldScale,
      coldMaxUs: maxCold === undefined ? Number.POSITIVE_INFINITY : maxCold * 1000,
      memoryExtraMb: flags.extraMemory ?? (lookbusy ? LOOKBUSY_EXTRA_MB : 0),
      memoryMinMb: lookbusy ? 1 : FUNCTIONS_LEAST_MB,
    },
  };
}

async function functionsOf(
  flags: TraceLoadFlags,
  functions: readonly TraceFunction[],
  target: string,
  called: ReadonlyMap<number, number>,
) {
  const { loadFunctionsOf, SAMPLE_FUNCTIONS } = await import('../../load/functions/trace-functions.js');
  const { temporaryFolder } = await import('../../load/functions/temporary-folder.js');
  const temporary = temporaryFolder();
  try {
    const made = loadFunctionsOf(functions, {
      type: choice('--load-type', LOAD_TYPES, flags.loadType),
      simulated: target === 'simulated',
      busy: flags.busy,
      holdsMemory: flags.holdMemory === true,
      timeoutMs: flags.timeout ?? DEFAULT_TIMEOUT_MS,
      functionsFolder: flags.functionsDir ?? SAMPLE_FUNCTIONS,
      temporaryFolder: temporary,
      overheadMb: flags.extraMemory ?? LOOKBUSY_EXTRA_MB,
    });
    return { made: { ...made, prepared: made.prepared.filter((_, fn) => called.has(fn)) }, temporary };
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
}

const DEFAULT_TIMEOUT_MS = 60_000;
