import type { AsyncStatus } from '../config/api.js';
import type { ErrorClass, ErrorDetails } from '../core/errors.js';
import { IluvatarError } from '../core/errors.js';
import { action, type CommandHost } from './command-host.js';
import { printResult } from './invoke.js';
import { parseDuration } from './parse.js';

interface Options {
  wait: number;
}

/** Before that, an error is of an attempt after which there will be another. */
const FINAL = new Set<AsyncStatus>(['failed', 'dead']);

/** Longest wait that one call of the worker takes. */
const LONGEST_WAIT_MS = 600_000;

export function addResultCommand(host: CommandHost): void {
  host
    .add('result', 'show the result of an asynchronous invocation', [
      'result 8f9c…',
      'result 8f9c… --wait 30s   # at most so long for its end',
    ])
    .argument('<id>', 'as printed by "invoke --async"')
    .option('-w, --wait <duration>', 'wait for its end: 500ms, 10s, 10m at most', parseDuration, 0)
    .action(
      action(async (context, { wait }: Options, id: string) => {
        const waitMs = Math.min(wait, LONGEST_WAIT_MS);
        const state = await context.withClient((client) => client.result(id, { waitMs }));
        if (state.error !== null && FINAL.has(state.status)) {
          const { errorClass, message, details } = state.error;
          throw new IluvatarError(errorClass as ErrorClass, message, (details ?? {}) as ErrorDetails);
        }
        if (state.result !== null) printResult(context, state.result);
        else
          context.print(state, ({ attempts }) => `not finished yet${attempts > 1 ? ` (attempt ${attempts})` : ''}\n`);
      }),
    );
}
