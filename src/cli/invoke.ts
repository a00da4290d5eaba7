import type { InvokeResult } from '../config/api.js';
import { action, type CommandHost } from './command-host.js';
import type { Context } from './context.js';
import { UsageError } from './exit-codes.js';
import { argumentsFromPairs, argumentsFromText } from './function-arguments.js';
import { joules, microseconds } from './output.js';
import { collect, parseDuration, parseFunction } from './parse.js';

/** `iluvatar invoke`: the result on standard output, everything about it on standard error. */

interface Options {
  arg?: string[];
  async?: boolean;
  timeout?: number;
  tid?: string;
  idempotencyKey?: string;
  webhook?: string;
  traceparent?: string;
}

export function addInvokeCommand(host: CommandHost): void {
  host
    .add('invoke', 'run a function and print its result', [
      'invoke hello -a name=world -a n=3            # text and a number',
      `invoke hello -a 'tags:=["a","b"]'            # must be JSON`,
      `invoke hello '{"name": "world"}'`,
      'invoke hello@2 @arguments.json --timeout 5s',
      'invoke hello - < arguments.json',
      'invoke hello --async                         # prints an id for "iluvatar result"',
    ])
    .argument('<function>', 'name or name@version')
    .argument('[arguments]', 'JSON, @file, or - for standard input')
    .option(
      '-a, --arg <name=value>',
      'one argument; JSON if it reads as JSON, else text; name:=json, name=@file; may be repeated',
      collect,
    )
    .option('--async', 'do not wait: print an id')
    .option('-t, --timeout <duration>', "overrides the function's time-out: 500ms, 10s, 2m", parseDuration)
    .option('--tid <id>', 'transaction id, found again in the logs')
    .option(
      '--traceparent <text>',
      'trace that it joins (W3C Trace Context); the environment’s TRACEPARENT unless given',
    )
    .option('--idempotency-key <key>', 'with --async: the same key and arguments again are the same invocation')
    .option('--webhook <url>', 'with --async: gets the result as a signed POST')
    .action(
      action(async (context, options: Options, text: string, operand?: string) => {
        const { name, version } = parseFunction(text);
        const body = bodyOf(options, operand);
        const { tid, timeout: timeoutMs } = options;
        const given = {
          version,
          ...(tid === undefined ? {} : { tid }),
          ...(timeoutMs === undefined ? {} : { timeoutMs }),
          ...traceOf(options),
        };
        const { idempotencyKey, webhook } = options;
        if (options.async !== true && (idempotencyKey ?? webhook) !== undefined) {
          throw new UsageError('--idempotency-key and --webhook go with --async');
        }
        if (options.async === true) {
          const asynchronous = {
            ...given,
            ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
            ...(webhook === undefined ? {} : { webhook }),
          };
          const id = await context.withClient((client) => client.invokeAsyncText(name, body, asynchronous));
          context.print({ id }, () => `${id}\n`);
          return;
        }
        const interruption = new AbortController();
        const interrupt = (): void => interruption.abort();
        process.once('SIGINT', interrupt);
        try {
          const { signal } = interruption;
          printResult(
            context,
            await context.withClient((client) => client.invokeText(name, body, { ...given, signal })),
          );
        } finally {
          process.off('SIGINT', interrupt);
        }
      }),
    );
}

/** By OpenTelemetry's convention for environment variables, so that a traced script's invocations join its trace. */
function traceOf({ traceparent }: Options): { traceparent?: string; tracestate?: string } {
  if (traceparent !== undefined) return { traceparent };
  const { TRACEPARENT: found, TRACESTATE: tracestate } = process.env;
  if (found === undefined || found === '') return {};
  return { traceparent: found, ...(tracestate === undefined ? {} : { tracestate }) };
}

function bodyOf({ arg }: Options, operand: string | undefined): string {
  if (arg !== undefined && operand !== undefined) {
    throw new UsageError('give the arguments either with -a or as one text, not both');
  }
  return operand === undefined ? argumentsFromPairs(arg ?? []) : argumentsFromText(operand);
}

/** Shared with `iluvatar result`. */
export function printResult(context: Context, answer: InvokeResult): void {
  context.print(answer, ({ result }) => `${JSON.stringify(result, null, process.stdout.isTTY ? 2 : 0)}\n`);
  if (context.json) return;
  process.stderr.write(answer.stdout);
  process.stderr.write(answer.stderr);
  const { queueUs, startUs, runUs, throttledUs } = answer.phases;
  const start = startUs > 0 ? `, start ${microseconds(startUs)}` : '';
  const throttled = throttledUs > 0 ? ` (throttled ${microseconds(throttledUs)})` : '';
  const attempts = answer.attempts > 1 ? `, ${answer.attempts} attempts` : '';
  const energy = energyText(answer);
  const tid = answer.tid === '' ? '' : `, tid ${answer.tid}`;
  context.note(
    `${answer.containerState}: queue ${microseconds(queueUs)}${start}, run ${microseconds(runUs)}${throttled}${energy}${attempts}${tid}`,
  );
}

/** What was measured of it; an estimate is told by `~`. */
function energyText({ energy }: InvokeResult): string {
  if (energy === undefined) return '';
  const { joules: took, cpuMs, settled } = energy;
  const cpu = cpuMs === null ? '' : `, cpu ${microseconds(1000 * cpuMs)}`;
  return took === null ? cpu : `${cpu}, ${settled ? '' : '~'}${joules(took)}`;
}
