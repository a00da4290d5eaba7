import { type CapturedProfile, captureProfile } from '../telemetry/profile/capture.js';
import { loadOf, type ThreadLoad } from '../telemetry/profile/folded.js';
import { action, type CommandHost } from './command-host.js';
import { UsageError } from './exit-codes.js';
import { microseconds } from './output.js';
import { collect, parseDuration, parseNumber } from './parse.js';

/** `iluvatar profile`: what a running worker's threads are busy with, as a flame graph. */

interface Options {
  seconds: number;
  interval?: number;
  output?: string[];
  thread?: string[];
  idle?: boolean;
}

const SHOWN = 5;
const FILE = 'profile.svg';

export function addProfileCommand(host: CommandHost): void {
  host
    .add('profile', 'sample the CPU use of a running worker’s threads, and draw a flame graph', [
      'profile --seconds 10                          # profile.svg, to be opened in a browser',
      'profile -o run.html -o run.folded             # a page, and stacks for other tools',
      'profile --thread shard-0 -o run.cpuprofile    # for the developer tools of Chromium',
    ])
    .option('-s, --seconds <n>', 'how long, at most 60', parseNumber, 10)
    .option('-i, --interval <duration>', 'between two samples; 1ms unless given', parseInterval)
    .option(
      '-o, --output <file>',
      `what to write, by its ending: .svg, .html, .folded (stacks), .cpuprofile (one for each thread); may be repeated; ${FILE} unless given`,
      collect,
    )
    .option('--thread <name>', 'this thread only: main, shard-0, life-cycle-1, …; may be repeated', collect)
    .option('--idle', 'show the time too in which threads had nothing to do')
    .addHelpText('after', '\nThe worker allows it with the option profiling.enabled, which a reload can switch on.\n')
    .action(
      action(async (context, { seconds, interval, output = [FILE], thread, idle = false }: Options) => {
        context.note(`sampling for ${seconds} s`);
        const ms = Math.round(seconds * 1000);
        const captured = await context.withClient((client) =>
          captureProfile(client, output, { ms, intervalUs: interval, threads: thread, idle }),
        );
        const loads = captured.threads.map((one) => loadOf(one, SHOWN));
        context.print({ files: captured.files, threads: loads }, () => text(captured, loads));
      }),
    );
}

/** → µs. `100us` too. */
function parseInterval(given: string): number {
  const match = /^(\d+)\s*(?:us|µs)$/.exec(given.trim());
  const us = match === null ? parseDuration(given) * 1000 : Number(match[1]);
  if (us < 50) throw new UsageError('an interval has 50us at least');
  return us;
}

function text({ files }: CapturedProfile, loads: readonly ThreadLoad[]): string {
  const lines = loads.flatMap(({ thread, samples, busy, top }) => [
    `${thread}: ${(busy * 100).toFixed(1)} % busy (${samples} samples)`,
    ...top.map(({ frame, us }) => `  ${microseconds(us).padStart(9)}  ${frame}`),
  ]);
  return `${[...lines, ...files].join('\n')}\n`;
}
