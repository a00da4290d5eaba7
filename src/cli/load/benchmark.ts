import { IluvatarError } from '../../core/errors.js';
import type { BenchmarkFunction } from '../../load/benchmark/run-benchmark.js';
import { TARGET_KINDS } from '../../load/targets/open-target.js';
import { action, type CommandHost } from '../command-host.js';
import type { Context } from '../context.js';
import { EXIT, UsageError } from '../exit-codes.js';
import { parseDuration, parseInteger, parseMemory } from '../parse.js';
import { BENCHMARK_FILES, benchmarkFolder } from './benchmark-folder.js';
import { benchmarkText, Failures } from './benchmark-text.js';
import { interruptible, progressLine } from './interruption.js';
import { targetOf } from './load-options.js';
import { packedSources } from './packed-sources.js';

/** `iluvatar load benchmark`: what functions take, cold and warm, on a worker that does nothing else. */

interface Options {
  target?: string;
  out?: string;
  functions?: string;
  folder?: string;
  functionFile?: string;
  memory?: number;
  coldIters: number;
  warmIters: number;
  runtime: number;
  clean?: boolean;
  upload?: boolean;
}

/** A target that is gone for so long ends the benchmark. */
const LOST_US = 5_000_000;

export function addLoadBenchmarkCommand(host: CommandHost): void {
  host
    .add('benchmark', 'measure what functions take, cold and warm, one invocation after the other', [
      'load benchmark --functions hello,float_operation --out measured',
      'load benchmark --function-file functions.csv --cold-iters 5 --warm-iters 20 --target http://127.0.0.1:8080',
      'load benchmark --functions hello --runtime 1m --out measured',
      'sim run --trace trace.csv --functions functions.csv --benchmark measured/worker_function_benchmarks.json',
    ])
    .option('-t, --target <address>', `what to drive: ${TARGET_KINDS} (default: the socket of the configuration)`)
    .option(
      '-o, --out <folder>',
      `keep rows, summary, circumstances and ${Object.values(BENCHMARK_FILES).join(', ')} in a folder`,
    )
    .option('--functions <names>', 'of the folder, comma-separated (default: all that can run as they are)')
    .option('--folder <folder>', 'of functions (default: those that come with the package)')
    .option('--function-file <file>', 'instead: a CSV name,image_name|source,compute,isolation,memory,server,args')
    .option('--memory <size>', 'of each function of the folder (default: 512m)', parseMemory)
    .option(
      '--cold-iters <count>',
      'registrations of each function on each device: each has a cold invocation',
      parseInteger,
      10,
    )
    .option('--warm-iters <count>', 'invocations after the cold one', parseInteger, 10)
    .option('--runtime <duration>', 'instead of iterations: one registration, invoked for so long', parseDuration, 0)
    .option('--upload', 'send the sources of functions instead of their paths: the worker is on another machine')
    .option('--clean', 'remove idle containers after each registration on the CPU as well')
    .action(
      action(async (context, options: Options) => {
        const { coldIters, warmIters } = options;
        if (coldIters < 1) throw new UsageError(`--cold-iters must be at least 1, not ${coldIters}`);
        if (warmIters < 0) throw new UsageError(`--warm-iters must be at least 0, not ${warmIters}`);
        const named = await functionsOf(options);
        const functions = options.upload === true ? await packedSources(named) : named;
        await interruptible(context, ({ stop }) => benchmark(context, options, functions, stop));
      }),
    );
}

async function functionsOf({ functions, folder, functionFile, memory }: Options): Promise<BenchmarkFunction[]> {
  const { readBenchmarkFunctions, sampleFunctions } = await import('../../load/benchmark/benchmark-functions.js');
  if (functionFile !== undefined) {
    if (functions !== undefined || folder !== undefined || memory !== undefined) {
      throw new UsageError('--function-file says all that --functions, --folder and --memory say');
    }
    return readBenchmarkFunctions(functionFile);
  }
  const { SAMPLE_FUNCTIONS } = await import('../../load/functions/trace-functions.js');
  return sampleFunctions({
    folder: folder ?? SAMPLE_FUNCTIONS,
    names: functions?.split(',') ?? null,
    memoryMb: memory ?? null,
  });
}

async function benchmark(
  context: Context,
  options: Options,
  functions: readonly BenchmarkFunction[],
  signal: AbortSignal,
): Promise<void> {
  const [{ runBenchmark }, { BenchmarkTimings }, { SummaryBuilder }, { StopConditions }, { openTarget }] =
    await Promise.all([
      import('../../load/benchmark/run-benchmark.js'),
      import('../../load/benchmark/benchmark-timings.js'),
      import('../../results/summary.js'),
      import('../../load/stop-conditions.js'),
      import('../../load/targets/open-target.js'),
    ]);
  const { config } = await context.load();
  const address = await targetOf(context, options);
  const timings = new BenchmarkTimings();
  for (const fn of functions) for (const compute of fn.computes) timings.expect(fn.name, fn.image, compute);
  const summary = new SummaryBuilder();
  // Failures are results; only a target that has gone ends it all.
  const stop = new StopConditions({ maxErrorRate: 1, lostUs: LOST_US });
  const failures = new Failures();
  const target = await openTarget(address, { config });
  const progress = progressLine(context);
  try {
    const kept = await benchmarkFolder(
      options.out,
      { ...options, functions: functions.map(({ name, computes }) => ({ name, computes })) },
      address,
      config.seed,
    );
    let error: Error | null = null;
    try {
      await runBenchmark({
        functions,
        coldIterations: options.coldIters,
        warmIterations: options.warmIters,
        runtimeMs: options.runtime,
        clean: options.clean === true,
        target,
        signal,
        begins: (originUs) => kept?.begin(originUs),
        measured: (fn, compute, row) => {
          timings.add(fn.name, compute, row);
          summary.add(row);
          if (row.outcome !== 'ok') failures.add(fn.name, compute, row.outcome, row.error);
          const reason = stop.judge(row);
          kept?.rows.row(row);
          if (reason !== null) throw new IluvatarError('unavailable', `the benchmark was ended: ${reason.text}`);
        },
        failed: (fn, compute, cause) => {
          const outcome = cause instanceof IluvatarError ? cause.errorClass : 'internal';
          failures.add(fn.name, compute, outcome, `it cannot be registered: ${cause.message}`);
        },
        progress: (done, all, what) => progress.show(() => `${what}: ${done} of ${all} registrations`),
      });
    } catch (cause) {
      error = cause as Error;
    }
    progress.clear();
    await kept?.end(error, signal.aborted, timings, summary.summary());
    context.print({ ...timings.file(), failures: failures.list() }, () => benchmarkText(timings.file(), failures));
    if (error !== null) throw error;
    if (kept !== null && !context.json) context.note(`kept in ${options.out}`);
    if (failures.list().length > 0 && !signal.aborted) process.exitCode = EXIT.failed;
  } finally {
    progress.clear();
    await target.close();
  }
}
