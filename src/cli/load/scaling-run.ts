import { resolve } from 'node:path';
import { IluvatarError } from '../../core/errors.js';
import { absoluteImage } from '../../images/image-path.js';
import type { LoadProgress } from '../../load/run-load.js';
import type { ScalingOutcome, ScalingPlan, ScalingStep } from '../../load/scaling/run-scaling.js';
import { statSource } from '../archive.js';
import type { Context } from '../context.js';
import { EXIT, UsageError } from '../exit-codes.js';
import { argumentsFromText } from '../function-arguments.js';
import { microseconds, table } from '../output.js';
import { parsePair } from '../parse.js';
import { progressLine } from './interruption.js';
import { packedSources } from './packed-sources.js';
import type { ScalingFolder } from './scaling-folder.js';
import { folderOf, type ScalingFlags } from './scaling-options.js';
import { percent, rate } from './summary-text.js';

/** Drives each target through all steps, and keeps and prints what came of it. */

export interface ScalingRun {
  readonly options: ScalingFlags;
  readonly source: string | undefined;
  readonly steps: readonly number[];
  readonly targets: readonly string[];
  readonly signals: { readonly stop: AbortSignal; readonly giveUp: AbortSignal };
}

interface Result {
  readonly target: string;
  readonly outcome: ScalingOutcome;
}

export async function scaleTargets(context: Context, run: ScalingRun): Promise<void> {
  const { targets, signals, options } = run;
  const what = await functionOf(run);
  const results: Result[] = [];
  for (const target of targets) {
    if (signals.stop.aborted) break;
    results.push({ target, outcome: await scaleOne(context, run, target, what) });
  }
  context.print(
    results.map(({ target, outcome }) => ({ target, stopped: outcome.stopped, steps: outcome.steps.map(stepNumbers) })),
    () => results.map(({ target, outcome }) => resultText(target, outcome)).join('\n'),
  );
  if (options.out !== undefined && !context.json) context.note(`kept in ${options.out}`);
  const ended = results.find(({ outcome }) => outcome.stopped !== null);
  const reason = ended?.outcome.stopped ?? null;
  if (reason !== null && reason.kind !== 'interrupted') {
    throw new IluvatarError(
      reason.kind === 'error-rate' ? 'user_error' : reason.kind === 'generator-failed' ? 'internal' : 'unavailable',
      `${ended?.target} was ended: ${reason.text}`,
    );
  }
  const failed = results.some(({ outcome }) => outcome.summary.failed > 0);
  if (failed && !signals.stop.aborted) process.exitCode = EXIT.failed;
}

async function functionOf({
  options,
  source,
}: ScalingRun): Promise<Pick<ScalingPlan, 'definition' | 'archive' | 'args'>> {
  const { image, server, memory, backend, args, functionArgs } = options;
  const common = { memoryMb: memory, ...(backend === undefined ? {} : { backends: backend }) };
  const text =
    functionArgs === undefined
      ? args === undefined
        ? '{}'
        : argumentsFromText(args)
      : JSON.stringify(Object.fromEntries(functionArgs.split(';').map(parsePair)));
  if (image !== undefined) {
    if (server !== 'http' && server !== 'framed' && server !== 'legacy-socket') {
      throw new UsageError(`--server must be framed, legacy-socket or http, not "${server}"`);
    }
    return { definition: { ...common, image: absoluteImage(image), server }, archive: null, args: text };
  }
  const { SAMPLE_FUNCTIONS } = await import('../../load/functions/trace-functions.js');
  const path = resolve(source ?? `${SAMPLE_FUNCTIONS}/hello`);
  await statSource(path);
  const fn = { definition: { ...common, source: path }, archive: null, args: text };
  return options.upload === true ? ((await packedSources([fn]))[0] as typeof fn) : fn;
}

async function scaleOne(
  context: Context,
  run: ScalingRun,
  address: string,
  what: Pick<ScalingPlan, 'definition' | 'archive' | 'args'>,
): Promise<ScalingOutcome> {
  const { options, steps, signals } = run;
  const [{ openTarget }, { runScaling }] = await Promise.all([
    import('../../load/targets/open-target.js'),
    import('../../load/scaling/run-scaling.js'),
  ]);
  const { config } = await context.load();
  const seed = options.seed ?? config.seed;
  const target = await openTarget(address, { config });
  const line = progressLine(context);
  try {
    const kept = await keepIn(run, address, seed);
    let outcome: ScalingOutcome;
    try {
      outcome = await runScaling({
        ...what,
        target,
        steps,
        durationUs: options.duration * 1000,
        warmUpUs: options.warmUp * 1000,
        thinkUs: options.think * 1000,
        thinking: options.thinking as ScalingPlan['thinking'],
        shared: options.shared === true,
        prewarm: options.prewarm,
        processes: options.processes,
        ...(target.reachableAt === undefined ? {} : { childTarget: target.reachableAt }),
        maxBodyBytes: config.transport.maxBodyBytes,
        maxErrorRate: options.maxErrorRate,
        lostUs: options.lostAfter * 1000,
        seed,
        rows: kept,
        stopSignal: signals.stop,
        giveUpSignal: signals.giveUp,
        begins: (originUs) => kept?.begin(originUs),
        stepBegins: (clients) => kept?.stepBegins(clients),
        stepEnded: async (step) => {
          await kept?.stepEnded(step);
        },
        progress: (clients, progress) => line.show(() => progressText(address, clients, progress)),
      });
    } catch (error) {
      await kept?.conclude(null, error as Error);
      throw error;
    }
    line.clear();
    await kept?.conclude(outcome, null);
    return outcome;
  } finally {
    line.clear();
    await target.close();
  }
}

async function keepIn(
  { options, targets, steps }: ScalingRun,
  target: string,
  seed: number,
): Promise<ScalingFolder | null> {
  const { out, originalOutput } = options;
  if (out === undefined) return null;
  const { ScalingFolder } = await import('./scaling-folder.js');
  return ScalingFolder.create({
    folder: folderOf(out, target, targets),
    target,
    seed,
    run: { ...options, steps },
    original: originalOutput === true,
  });
}

function progressText(address: string, clients: number, progress: LoadProgress | null): string {
  const head = `${address}, ${clients} ${clients === 1 ? 'client' : 'clients'}`;
  if (progress === null) return `${head}: making ready`;
  const { elapsedUs, invocations, failed } = progress;
  return `${head}: ${(elapsedUs / 1e6).toFixed(1)} s, ${invocations} invocations, ${failed} failed`;
}

function stepNumbers({ clients, registrations, outcome }: ScalingStep) {
  const { summary } = outcome;
  const [step] = summary.steps;
  return {
    clients,
    ...step,
    coldRatio: summary.coldRatio,
    registrationUs: registrations.map(({ durationUs }) => durationUs),
    outcomes: summary.outcomes,
    generator: summary.generator.bottlenecks,
  };
}

function resultText(target: string, { steps, stopped }: ScalingOutcome): string {
  const lines = table(
    steps.map((step) => ({ ...stepNumbers(step), summary: step.outcome.summary })),
    [
      { title: 'CLIENTS', right: true, text: ({ clients }) => String(clients) },
      { title: 'COUNT', right: true, text: ({ summary }) => String(summary.invocations) },
      { title: 'FAILED', right: true, text: ({ summary }) => String(summary.failed) },
      { title: 'COLD', right: true, text: ({ coldRatio }) => percent(coldRatio) },
      { title: 'PER SECOND', right: true, text: ({ throughput = 0 }) => rate(throughput) },
      { title: 'P50', right: true, text: ({ summary }) => microseconds(summary.us.latency.p50) },
      { title: 'P90', right: true, text: ({ summary }) => microseconds(summary.us.latency.p90) },
      { title: 'P99', right: true, text: ({ summary }) => microseconds(summary.us.latency.p99) },
      { title: 'MAX', right: true, text: ({ summary }) => microseconds(summary.us.latency.max) },
      {
        title: 'REGISTERED IN',
        right: true,
        text: ({ registrationUs }) => microseconds(Math.max(0, ...registrationUs)),
      },
    ],
    'no step was made',
  );
  const doubts = steps.flatMap(({ clients, outcome }) =>
    outcome.summary.generator.bottlenecks.map((text) => `the generator, with ${clients} clients: ${text}\n`),
  );
  const end = stopped === null ? '' : `ended early: ${stopped.text}\n`;
  return `${target}\n${lines}${doubts.join('')}${end}`;
}
