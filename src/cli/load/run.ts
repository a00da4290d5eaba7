import { rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { THINKING } from '../../load/drivers/thinking.js';
import type { LoadFunctions } from '../../load/functions/trace-functions.js';
import { SPACINGS } from '../../load/spacing-names.js';
import type { RateOf, Work } from '../../load/work.js';
import { action, type CommandHost } from '../command-host.js';
import type { Context } from '../context.js';
import { UsageError } from '../exit-codes.js';
import { argumentsFromPairs, argumentsFromText } from '../function-arguments.js';
import { collect, parseDuration, parseFunction, parseInteger, parseMemory, parseNumber } from '../parse.js';
import { choice } from '../sim/trace-options.js';
import { interruptible } from './interruption.js';
import { type LoadSignals, runLiveLoad } from './live-load.js';
import { addLoadOptions, checkLoadFlags, type LoadFlags, targetOf } from './load-options.js';

/** `iluvatar load run`: one function, by a process of arrivals or by clients that wait for their answers. */

interface RunFlags extends LoadFlags {
  arg?: string[];
  args?: string;
  source?: string;
  lookbusy?: number;
  init: number;
  busy: number;
  memory?: number;
  timeout?: number;
  prewarm: number;
  rate?: number;
  arrivals: string;
  on?: number;
  off?: number;
  rampFrom?: number;
  ramp?: number;
  clients?: number;
  think: number;
  thinking: string;
}

const DEFAULT_DURATION_MS = 10_000;

export function addLoadRunCommand(host: CommandHost): void {
  const command = host.add('run', 'call one function at a rate, or by clients that wait for their answers', [
    'load run hello --rate 100 --duration 30s',
    'load run hello --source functions/hello --target worker --clients 8 --duration 10s -o run-1',
    'load run resize -a width=200 --rate 50 --arrivals constant --ramp-from 5 --ramp 20s --warm-up 5s',
    'load run --lookbusy 20ms --target simulated --rate 2000 --on 1s --off 4s --processes 2',
  ]);
  addLoadOptions(command)
    .argument('[function]', 'name or name@version; with --source or --lookbusy it is registered')
    .option('-a, --arg <name=value>', 'one argument, as for invoke; may be repeated', collect)
    .option('--args <json>', 'all arguments: JSON, @file, or - for standard input')
    .option('--source <path>', 'register it from this file or folder, or from a folder that describes a simulated one')
    .option('--lookbusy <duration>', 'register a synthetic function that takes so long', parseDuration)
    .option('--init <duration>', 'of --lookbusy: what its container takes to start beyond that', parseDuration, 0)
    .option('--busy <share>', 'of --lookbusy: of its time, 0 (sleeps) to 1', parseNumber, 1)
    .option('--memory <size>', 'of what is registered', parseMemory)
    .option('--timeout <duration>', 'of each invocation, from enqueueing to the answer', parseDuration)
    .option('--prewarm <count>', 'containers made before the first invocation', parseInteger, 0)
    .option('--rate <number>', 'open loop: so many a second, whatever has become of those before', parseNumber)
    .option('--arrivals <kind>', `of an open loop: ${SPACINGS.join(' or ')} gaps`, 'poisson')
    .option('--on <duration>', 'of an open loop: bursts of this length at the rate …', parseDuration)
    .option('--off <duration>', '… and pauses of this length between them', parseDuration)
    .option('--ramp-from <number>', 'of an open loop: begin with so many a second …', parseNumber)
    .option('--ramp <duration>', '… and reach the rate (or the number of clients) after this time', parseDuration)
    .option('--clients <count>', 'closed loop: so many, each of which waits for its answer', parseInteger)
    .option('--think <duration>', 'of a closed loop: between an answer and the next invocation', parseDuration, 0)
    .option('--thinking <kind>', `of --think: ${THINKING.join(' or ')}`, 'constant')
    .action(
      action(async (context, flags: RunFlags, operand: string | undefined) => {
        checkLoadFlags(flags);
        await interruptible(context, async (signals) => await loadRun(context, flags, operand, signals));
      }),
    );
}

async function loadRun(
  context: Context,
  flags: RunFlags,
  operand: string | undefined,
  signals: LoadSignals,
): Promise<void> {
  const { config } = await context.load();
  const seed = flags.seed ?? config.seed;
  // Without any end it would run for ever.
  const durationMs = flags.duration ?? (flags.count === undefined ? DEFAULT_DURATION_MS : null);
  const work = workOf(flags, seed, durationMs === null ? Number.POSITIVE_INFINITY : durationMs * 1000);
  const target = await targetOf(context, flags);
  const { temporaryFolder } = await import('../../load/functions/temporary-folder.js');
  const temporary = temporaryFolder();
  try {
    const { prepared, loaded } = await functionOf(flags, operand, target, temporary);
    await runLiveLoad(
      context,
      {
        kind: 'run',
        flags,
        target,
        seed,
        work,
        prepared,
        functions: loaded,
        summary: flags.lookbusy === undefined ? {} : { warmUs: warmOf(loaded, flags.lookbusy) },
        lengthUs: durationMs === null ? null : durationMs * 1000,
        count: flags.count ?? null,
        options: { ...flags, function: operand, seed },
      },
      signals,
    );
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

function warmOf(loaded: LoadFunctions['loaded'], ms: number): Map<string, number> {
  return new Map(loaded.map(({ name, version }) => [`${name}@${version}`, Math.max(1, ms * 1000)]));
}

function workOf(flags: RunFlags, seed: number, untilUs: number): Work {
  const { rate, clients, ramp, think } = flags;
  const count = flags.count ?? Number.POSITIVE_INFINITY;
  if ((rate === undefined) === (clients === undefined)) {
    throw new UsageError('either --rate (an open loop) or --clients (a closed loop)');
  }
  if (clients !== undefined) {
    if (clients < 1) throw new UsageError(`--clients must be at least 1, not ${clients}`);
    const thinking = choice('--thinking', THINKING, flags.thinking);
    return {
      kind: 'closed',
      clients,
      thinkUs: think * 1000,
      thinking,
      rampUs: (ramp ?? 0) * 1000,
      untilUs,
      count,
      seed,
    };
  }
  return {
    kind: 'open',
    arrivals: {
      from: 'process',
      rate: rateOf(flags),
      spacing: choice('--arrivals', SPACINGS, flags.arrivals),
      seed,
    },
    untilUs,
    count,
    maxInFlight: flags.maxInFlight,
    overLimit: choice('--over-limit', ['wait', 'drop'], flags.overLimit),
  };
}

function rateOf({ rate = 0, on, off, ramp, rampFrom }: RunFlags): RateOf {
  if (!(rate > 0)) throw new UsageError(`--rate must be above 0, not ${rate}`);
  if ((on === undefined) !== (off === undefined)) throw new UsageError('--on and --off belong together');
  if (rampFrom !== undefined && ramp === undefined) throw new UsageError('--ramp-from needs --ramp');
  if (on !== undefined && ramp !== undefined) throw new UsageError('--on/--off or --ramp, not both');
  if (on !== undefined && off !== undefined) return { shape: 'on-off', perSecond: rate, onMs: on, offMs: off };
  if (ramp !== undefined) return { shape: 'ramp', from: rampFrom ?? 0, to: rate, overMs: ramp };
  return { shape: 'constant', perSecond: rate };
}

async function functionOf(
  flags: RunFlags,
  operand: string | undefined,
  target: string,
  temporary: string,
): Promise<LoadFunctions> {
  const { source, lookbusy, memory, timeout, prewarm, args, arg } = flags;
  if (source !== undefined && lookbusy !== undefined) throw new UsageError('--source or --lookbusy, not both');
  if (args !== undefined && arg !== undefined) throw new UsageError('-a or --args, not both');
  const { nameFrom } = await import('../register.js');
  const named = operand ?? (lookbusy !== undefined ? 'lookbusy' : source === undefined ? undefined : nameFrom(source));
  if (named === undefined) throw new UsageError('a function: its name, --source or --lookbusy');
  const { name, version } = parseFunction(named);
  const json = args !== undefined ? argumentsFromText(args) : argumentsFromPairs(arg ?? []);
  if (lookbusy !== undefined) {
    const { loadFunctionsOf, SAMPLE_FUNCTIONS } = await import('../../load/functions/trace-functions.js');
    const warmUs = lookbusy * 1000;
    const times = { warmUs, coldUs: warmUs + flags.init * 1000, meanIatUs: null, gpuWarmUs: null, gpuColdUs: null };
    const memoryMb = memory ?? 64;
    return loadFunctionsOf(
      [{ name, version, memoryMb, ...times, devices: ['cpu'], prewarms: prewarm, timings: null }],
      {
        type: 'lookbusy',
        simulated: target === 'simulated',
        busy: flags.busy,
        holdsMemory: false,
        timeoutMs: timeout ?? 60_000,
        functionsFolder: SAMPLE_FUNCTIONS,
        temporaryFolder: temporary,
        overheadMb: 0,
      },
    );
  }
  const loaded = [{ name, version, args: json, timeoutMs: timeout ?? 0 }];
  if (source === undefined) {
    if (prewarm > 0) throw new UsageError('--prewarm is for a function that is registered here: use iluvatar prewarm');
    return { prepared: [], loaded };
  }
  const definition = {
    name,
    version,
    source: resolve(source),
    ...(memory === undefined ? {} : { memoryMb: memory }),
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
  };
  return { prepared: [{ definition, archive: null, prewarms: prewarm }], loaded };
}
