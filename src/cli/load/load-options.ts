import type { Command } from 'commander';
import { OVER_LIMITS } from '../../load/drivers/over-limits.js';
import { TARGET_KINDS } from '../../load/targets/open-target.js';
import type { Context } from '../context.js';
import { UsageError } from '../exit-codes.js';
import { parseDuration, parseInteger, parseNumber } from '../parse.js';

/** The options that every load has that is driven against something. */

export interface LoadFlags {
  target?: string;
  out?: string;
  name?: string;
  seed?: number;
  duration?: number;
  count?: number;
  warmUp: number;
  processes: number;
  maxInFlight: number;
  overLimit: string;
  maxErrorRate: number;
  lostAfter: number;
  drain: number;
  upload?: boolean;
  series: boolean;
}

export function addLoadOptions(command: Command): Command {
  return command
    .option('-t, --target <address>', `what to drive: ${TARGET_KINDS} (default: the socket of the configuration)`)
    .option('-o, --out <folder>', 'keep rows (Parquet, CSV), summary and circumstances in a folder')
    .option('--name <text>', 'of the run, for reports (default: that of the folder)')
    .option('--upload', 'send the sources of functions instead of their paths: the worker is on another machine')
    .option('--seed <number>', 'of all chance (default: that of the configuration)', parseInteger)
    .option('--duration <duration>', 'send nothing after this time', parseDuration)
    .option('--count <number>', 'send no more than so many', parseInteger)
    .option('--warm-up <duration>', 'what is sent before this is neither counted nor written', parseDuration, 0)
    .option('--processes <count>', 'to send from, when one core is not enough', parseInteger, 1)
    .option(
      '--max-in-flight <count>',
      'of an open loop: most invocations that are not answered yet',
      parseInteger,
      10_000,
    )
    .option('--over-limit <what>', `with one above that: ${OVER_LIMITS.join(' (send it late) or ')} (it)`, 'wait')
    .option('--max-error-rate <ratio>', 'end when more of the last 200 failed, 0 to 1', parseNumber, 1)
    .option('--lost-after <duration>', 'end when the target was unavailable for so long', parseDuration, 10_000)
    .option('--drain <duration>', 'how long to wait for answers at the end', parseDuration, 300_000)
    .option('--no-series', 'with --out: do not ask the worker every second how it is');
}

/** Throws UsageError for what cannot be. */
export function checkLoadFlags(flags: LoadFlags): void {
  const whole: [string, number | undefined, number][] = [
    ['--processes', flags.processes, 1],
    ['--max-in-flight', flags.maxInFlight, 1],
    ['--count', flags.count, 1],
    ['--duration', flags.duration, 1],
  ];
  for (const [option, value, least] of whole) {
    if (value !== undefined && value < least) throw new UsageError(`${option} must be at least ${least}, not ${value}`);
  }
  if (flags.processes > 64) throw new UsageError(`--processes must be at most 64, not ${flags.processes}`);
  if (!(flags.maxErrorRate >= 0 && flags.maxErrorRate <= 1)) {
    throw new UsageError(`--max-error-rate must be from 0 to 1, not ${flags.maxErrorRate}`);
  }
  if (flags.duration !== undefined && flags.warmUp >= flags.duration) {
    throw new UsageError('--warm-up must be shorter than --duration');
  }
}

/** The address of the target: the socket that the configuration names, unless one is given. */
export async function targetOf(context: Context, { target }: Pick<LoadFlags, 'target'>): Promise<string> {
  if (target !== undefined) return target;
  const { resolvePaths } = await import('../../config/paths.js');
  return `unix:${resolvePaths((await context.load()).config).socket}`;
}
