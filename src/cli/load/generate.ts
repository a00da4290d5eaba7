import { ARRIVAL_MODELS, PRECISIONS, SAMPLING_STRATEGIES } from '../../load/generate/choices.js';
import type { PlannedTrace, WrittenTrace } from '../../load/generate/generate.js';
import type { Intensity } from '../../load/generate/intensity.js';
import type { PlanOptions } from '../../load/generate/plan.js';
import { action, type CommandHost } from '../command-host.js';
import { UsageError } from '../exit-codes.js';
import { collect, parseDuration, parseInteger, parseMemory, parseNumber } from '../parse.js';
import { choice, SPREADS } from '../sim/trace-options.js';
import { interruptible, progressLine } from './interruption.js';
import { traceSummaryText } from './trace-summary-text.js';

/** `iluvatar load generate`: a trace out of another one, or out of nothing. */

interface Options {
  trace?: string;
  functions?: string;
  spec?: string;
  function?: string[];
  spread: string;
  out: string;
  precision: string;
  seed?: number;
  sample?: string;
  count?: number;
  candidates: number;
  names?: string;
  minInvocations: number;
  maxRun?: number;
  maxMemory?: number;
  arrivals?: string;
  from: number;
  duration?: number;
  keep: number;
  speed?: number;
  rate?: number;
  load?: number;
}

const DEFAULT_DURATION_MS = 300_000;
const names = Object.keys as <Name extends string>(of: Readonly<Record<Name, string>>) => Name[];
const meanings = (of: Readonly<Record<string, string>>): string =>
  Object.entries(of)
    .map(([name, meaning]) => `  ${name.padEnd(16)}${meaning}\n`)
    .join('');

export function addLoadGenerateCommand(host: CommandHost): void {
  host
    .add('generate', 'make a trace: from a part of another one, or from what functions are to be like', [
      'load generate --trace azurefunctions-dataset2019/ --sample representative --count 50 --duration 10m --load 8 --out small.csv',
      'load generate --trace trace.csv --functions trace-functions.csv --arrivals ecdf --duration 1h --seed 7 --out longer.csv',
      'load generate --trace trace.csv --functions trace-functions.csv --keep 0.25 --out quarter.csv',
      'load generate --function name=api,iat=20ms,warm=15ms,cold=300ms --function name=job,iat=2s,warm=1s,memory=512m --out two.csv',
      'load generate --spec functions.yaml --duration 5m --out bursts.csv',
    ])
    .requiredOption('-o, --out <file>', 'the trace, x.csv; its functions go to x-functions.csv')
    .option('--trace <file>', 'arrivals: a CSV, or a folder in the layout of the Azure trace of 2019')
    .option('--functions <file>', 'the functions of a CSV trace; without --trace: functions whose mean_iat is known')
    .option('--spec <file>', 'functions as YAML or JSON: {functions: [{name, iatMs, warmMs, coldMs, memoryMb, …}]}')
    .option(
      '--function <parts>',
      'one function, name=…,iat=…,warm=…[,cold=…][,memory=…][,arrivals=exponential|fixed][,on=…,off=…][,prewarms=…]; may be repeated',
      collect,
    )
    .option(
      '--seed <number>',
      'of all chance (default: that of the configuration); the same gives the same bytes',
      parseInteger,
    )
    .option('--sample <strategy>', `which functions of the trace: ${names(SAMPLING_STRATEGIES).join(', ')}`)
    .option('--count <number>', 'of --sample: how many functions', parseInteger)
    .option('--candidates <number>', 'of in-vitro: samples that are compared', parseInteger, 200)
    .option('--names <names>', 'these functions alone, comma-separated')
    .option('--min-invocations <number>', 'leave out functions that are called less often', parseInteger, 2)
    .option('--max-run <duration>', 'leave out functions whose warm runs take longer', parseDuration)
    .option('--max-memory <amount>', 'leave out functions that need more', parseMemory)
    .option('--arrivals <model>', `when they are called: ${names(ARRIVAL_MODELS).join(', ')} (default: trace)`)
    .option('--spread <name>', `of an Azure trace, within a minute: ${SPREADS.join(', ')}`, 'uniform')
    .option('--from <duration>', 'begin there in the trace', parseDuration, 0)
    .option('--duration <duration>', 'how long (default: as the trace; without one: 5m)', parseDuration)
    .option('--keep <share>', 'keep each invocation with this chance, 0 to 1', parseNumber, 1)
    .option('--speed <factor>', 'so many times as fast', parseNumber)
    .option('--rate <number>', 'instead: so many invocations a second, of all together', parseNumber)
    .option('--load <slots>', "instead: so many slots busy on average, by Little's law", parseNumber)
    .option('--precision <unit>', `of times: ${PRECISIONS.join(', ')}; the original reads whole ms alone`, 'ms')
    .addHelpText('after', `\nStrategies of --sample:\n${meanings(SAMPLING_STRATEGIES)}`)
    .addHelpText('after', `\nModels of --arrivals:\n${meanings(ARRIVAL_MODELS)}`)
    .action(
      action(async (context, options: Options) => {
        if (!options.out.endsWith('.csv')) throw new UsageError(`--out ${options.out}: the name must end in .csv`);
        const precision = choice('--precision', PRECISIONS, options.precision);
        const seed = options.seed ?? (await context.load()).config.seed;
        const planned = await planOf(options, seed);
        const { writeTrace } = await import('../../load/generate/generate.js');
        const progress = progressLine(context);
        const written = await interruptible(context, ({ stop }) =>
          writeTrace(planned, {
            file: options.out,
            precision,
            signal: stop,
            progress: (invocations, atUs) =>
              progress.show(() => `${invocations} invocations, ${Math.floor((100 * atUs) / planned.lengthUs)} %`),
          }),
        );
        progress.clear();
        context.print({ ...written, seed }, writtenText);
      }),
    );
}

function writtenText({ trace, functionsFile, complete, uncalled, summary }: WrittenTrace): string {
  return [
    traceSummaryText(summary),
    `\n${trace}, ${functionsFile}${complete ? '' : ': ended early, whole up to there'}\n`,
    uncalled === 0 ? '' : `${uncalled} of the functions chosen are not called in this time, and left out\n`,
  ].join('');
}

async function planOf(options: Options, seed: number): Promise<PlannedTrace> {
  const { trace, functions, spec, function: given } = options;
  const sources = [trace ?? functions, spec, given].filter((source) => source !== undefined).length;
  if (sources !== 1) throw new UsageError('one of --trace, --functions alone, --spec and --function is needed');
  positive('--duration', options.duration);
  if (trace !== undefined) {
    const { openTrace } = await import('../../traces/open-trace.js');
    const { planTrace } = await import('../../load/generate/plan.js');
    const plan = planOptions(options, seed);
    // Gaps within a minute are those of calls at equal distances.
    const spread = plan.model === 'ecdf' ? 'even' : choice('--spread', SPREADS, options.spread);
    return planTrace(await openTrace({ trace, functions, seed, spread }), plan);
  }
  for (const name of ['sample', 'count', 'names', 'rate', 'load', 'maxRun', 'maxMemory'] as const) {
    const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (options[name] !== undefined) throw new UsageError(`--${flag} chooses from a trace: --trace is needed`);
  }
  if (options.keep !== 1 || options.from !== 0) throw new UsageError('--keep and --from are parts of a --trace');
  const { planSpec, readSpec, specOf, unique } = await import('../../load/generate/spec.js');
  const { parseSpecFunction } = await import('./spec-function.js');
  const arrivals = choice('--arrivals', ['exponential', 'fixed'] as const, options.arrivals ?? 'exponential');
  const wanted =
    spec !== undefined
      ? readSpec(spec)
      : given !== undefined
        ? unique(given.map(parseSpecFunction), '--function')
        : specOf(await functionsOf(functions as string), arrivals);
  const speed = positive('--speed', options.speed) ?? 1;
  return planSpec(wanted, (options.duration ?? DEFAULT_DURATION_MS) * 1000, speed, seed);
}

async function functionsOf(file: string): ReturnType<typeof import('../../traces/function-table.js')['readFunctions']> {
  const { readFunctions } = await import('../../traces/function-table.js');
  return readFunctions(file, null, { prewarms: 0, maxPrewarms: 0 });
}

function planOptions(options: Options, seed: number): PlanOptions {
  const { sample, count, keep } = options;
  if ((sample === undefined) !== (count === undefined)) throw new UsageError('--sample and --count belong together');
  positive('--count', count);
  positive('--candidates', options.candidates);
  if (!(keep > 0 && keep <= 1)) throw new UsageError(`--keep must be above 0 and at most 1, not ${keep}`);
  return {
    limits: {
      // What is never called has no rate.
      minInvocations: Math.max(1, options.minInvocations),
      maxWarmUs: (options.maxRun ?? Number.POSITIVE_INFINITY) * 1000,
      maxMemoryMb: options.maxMemory ?? Number.POSITIVE_INFINITY,
    },
    sample:
      sample === undefined || count === undefined
        ? null
        : {
            strategy: choice('--sample', names(SAMPLING_STRATEGIES), sample),
            count,
            candidates: options.candidates,
          },
    names: options.names === undefined ? null : options.names.split(','),
    model: choice('--arrivals', names(ARRIVAL_MODELS), options.arrivals ?? 'trace'),
    intensity: intensityOf(options),
    fromUs: options.from * 1000,
    durationUs: options.duration === undefined ? null : options.duration * 1000,
    keep,
    seed,
  };
}

function intensityOf({ speed, rate, load }: Options): Intensity {
  if ([speed, rate, load].filter((value) => value !== undefined).length > 1) {
    throw new UsageError('--speed, --rate and --load say the same in three ways: one of them');
  }
  if (rate !== undefined) return { rate: positive('--rate', rate) as number };
  if (load !== undefined) return { busySlots: positive('--load', load) as number };
  return { speed: positive('--speed', speed) ?? 1 };
}

function positive(option: string, value: number | undefined): number | undefined {
  if (value === undefined || value > 0) return value;
  throw new UsageError(`${option} must be above 0, not ${value}`);
}
