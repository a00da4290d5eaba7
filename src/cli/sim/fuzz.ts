import type { FailingSeed } from '../../sim/fuzz/fuzz.js';
import { action, type CommandHost } from '../command-host.js';
import { EXIT, UsageError } from '../exit-codes.js';
import { parseInteger } from '../parse.js';

/** `iluvatar sim fuzz`: random histories with faults, the engine's books checked after every event. */

interface Options {
  seeds: number;
  seed: number;
  invocations: number;
}

export function addSimFuzzCommand(host: CommandHost): void {
  host
    .add(
      'fuzz',
      `try random histories with faults on every policy, and check the engine after every event; exits ${EXIT.failed} when one fails`,
      ['sim fuzz --seeds 1000', 'sim fuzz --seed 4711 --seeds 1 --invocations 1000   # one that failed'],
    )
    .option('--seeds <count>', 'how many', parseInteger, 200)
    .option('--seed <number>', 'the first of them', parseInteger, 1)
    .option('--invocations <count>', 'of each history', parseInteger, 1000)
    .action(
      action(async (context, { seeds, seed: first, invocations }: Options) => {
        if (seeds < 1 || invocations < 1) throw new UsageError('--seeds and --invocations must be at least 1');
        const { fuzzSeed } = await import('../../sim/fuzz/fuzz.js');
        const beganAt = performance.now();
        for (let seed = first; seed < first + seeds; seed++) {
          if (process.stderr.isTTY === true && !context.json && seed % 50 === 0)
            process.stderr.write(`\r\x1b[Kseed ${seed}`);
          const failing = fuzzSeed(seed, invocations);
          if (failing === null) continue;
          if (process.stderr.isTTY === true && !context.json) process.stderr.write('\r\x1b[K');
          context.print({ seeds: seed - first + 1, failing }, () => failureText(failing));
          process.exitCode = EXIT.failed;
          return;
        }
        if (process.stderr.isTTY === true && !context.json) process.stderr.write('\r\x1b[K');
        const pace = Math.round(seeds / ((performance.now() - beganAt) / 1000));
        context.print(
          { seeds, failing: null },
          () => `${seeds} seeds of ${invocations} invocations, from ${first}: nothing is wrong\n`,
        );
        if (!context.json) context.note(`${pace} seeds/s`);
      }),
    );
}

/** What a person needs to know of a seed that fails: what is wrong, how to see it again, and the least that shows it. */
export function failureText({ seed, failure, small, smallFailure, command }: FailingSeed): string {
  const { settings, functions, creation, immediate, events } = small;
  const line = (name: string, value: unknown): string => `  ${name}: ${JSON.stringify(value)}\n`;
  return [
    `seed ${seed} fails after ${failure.events} events, at ${failure.at} µs (${failure.kind}):\n`,
    ...failure.problems.map((problem) => `  ${problem}\n`),
    `play it again:\n  $ ${command}\n`,
    `the smallest history that fails like this has ${events.length} events:\n`,
    line('settings', settings),
    line('creation', creation),
    ...(immediate ? ['  commands that take no time are answered from inside\n'] : []),
    ...functions.map((fn, index) => line(`function ${index}`, fn)),
    ...events.map((event) => line(`at ${event.at} µs`, { ...event, at: undefined })),
    `and it ends with:\n`,
    ...smallFailure.problems.map((problem) => `  ${problem}\n`),
  ].join('');
}
