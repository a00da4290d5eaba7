import { TARGET_KINDS } from '../../load/targets/open-target.js';
import { collectBackends } from '../backend-options.js';
import { action, type CommandHost } from '../command-host.js';
import { UsageError } from '../exit-codes.js';
import { collect, parseDuration, parseInteger, parseMemory, parseNumber } from '../parse.js';
import { interruptible } from './interruption.js';
import { targetOf } from './load-options.js';
import type { ScalingFlags } from './scaling-options.js';

/** `iluvatar load scaling`: throughput and latency against the number of clients. */

export function addLoadScalingCommand(host: CommandHost): void {
  host
    .add('scaling', 'measure throughput and latency with more and more clients, each of which waits for its answers', [
      'load scaling --clients 1,2,4,...,64 --duration 10s --out steps',
      'load scaling functions/hello_node --clients 1..8 --target unix:/run/iluvatar/worker.sock,http://127.0.0.1:8080 --out steps',
      'load scaling --image docker.io/me/hello:1 --backend containerd -s 1 -e 16',
    ])
    .argument('[source]', 'what the clients call: a file or folder (default: functions/hello)')
    .option('-t, --target <addresses>', `what to drive, comma-separated, one after the other: ${TARGET_KINDS}`, collect)
    .option('--clients <numbers>', 'of each step: 1,2,4 or 1..8 or 1,2,4,...,64 (default: 1,2,4,...,64)')
    .option('-s, --start <number>', 'instead: the first, …', parseInteger, 1)
    .option('-e, --end <number>', '… and the last, each one more', parseInteger)
    .option('-d, --duration <duration>', 'of each step', parseDuration, 10_000)
    .option('--warm-up <duration>', 'of each step before that: neither counted nor written', parseDuration, 0)
    .option('--think <duration>', 'between an answer and the next invocation of a client', parseDuration, 0)
    .option('--thinking <how>', 'constant or exponential', 'constant')
    .option('--shared', 'all clients call one function; otherwise each has its own, as in the original')
    .option('--no-prewarm', 'make no container for each client before the first invocation')
    .option('--upload', 'send the source instead of its path: the worker is on another machine')
    .option('--image <image>', 'an image instead of source')
    .option('--server <server>', 'of an image: framed, legacy-socket or http', 'http')
    .option('--backend <names>', 'backends that may run it, in order of preference; may be repeated', collectBackends)
    .option('-m, --memory <size>', 'of each container', parseMemory, 128)
    .option('--args <json>', 'arguments of each invocation: JSON, @file, or - for standard input')
    .option('--function-args <pairs>', 'instead: k=v;k=v, as the original takes them')
    .option('--processes <count>', 'to send from, when one core is not enough', parseInteger, 1)
    .option('--max-error-rate <ratio>', 'end when more of the last 200 failed, 0 to 1', parseNumber, 1)
    .option('--lost-after <duration>', 'end when the target was unavailable for so long', parseDuration, 10_000)
    .option('--seed <number>', 'of think times (default: that of the configuration)', parseInteger)
    .option('-o, --out <folder>', 'keep rows, summaries and circumstances: of several targets, in a folder of each')
    .option('--original-output', 'also <clients>.json of each step, as the original writes it')
    .action(
      action(async (context, options: ScalingFlags, source: string | undefined) => {
        check(options, source);
        const steps = await stepsOf(options);
        const given = (options.target ?? []).flatMap((text) => text.split(',')).filter((text) => text !== '');
        const targets = given.length > 0 ? given : [await targetOf(context, {})];
        const { scaleTargets } = await import('./scaling-run.js');
        await interruptible(context, (signals) => scaleTargets(context, { options, source, steps, targets, signals }));
      }),
    );
}

function check(options: ScalingFlags, source: string | undefined): void {
  const { image, duration, processes, maxErrorRate, args, functionArgs, out, originalOutput, thinking } = options;
  if (image !== undefined && source !== undefined) throw new UsageError('a source or --image, not both');
  if (duration < 1) throw new UsageError(`--duration must be at least 1 ms, not ${duration}`);
  if (processes < 1 || processes > 64) throw new UsageError(`--processes must be from 1 to 64, not ${processes}`);
  if (!(maxErrorRate >= 0 && maxErrorRate <= 1)) throw new UsageError(`--max-error-rate must be from 0 to 1`);
  if (args !== undefined && functionArgs !== undefined) throw new UsageError('--args or --function-args, not both');
  if (originalOutput === true && out === undefined) throw new UsageError('--original-output needs --out');
  if (thinking !== 'constant' && thinking !== 'exponential') {
    throw new UsageError(`--thinking must be constant or exponential, not "${thinking}"`);
  }
}

async function stepsOf({ clients, start, end }: ScalingFlags): Promise<number[]> {
  const { clientCounts, MOST } = await import('../../load/scaling/client-counts.js');
  if (clients !== undefined && end !== undefined) throw new UsageError('--clients or --start and --end, not both');
  const text = end === undefined ? (clients ?? '1,2,4,...,64') : `${start}..${end}`;
  const steps = clientCounts(text);
  if (steps !== null) return steps;
  throw new UsageError(`"${text}" are no numbers of clients from 1 to ${MOST}, such as 1,2,4 or 1..8 or 1,2,4,...,64`);
}
