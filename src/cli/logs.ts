import { IluvatarError } from '../core/errors.js';
import { action, type CommandHost } from './command-host.js';
import { UsageError } from './exit-codes.js';
import { followLines, lastLines } from './log-file.js';
import { collect, parseInteger } from './parse.js';

/** `iluvatar logs`: the worker's log file, filtered and readable. It needs no running worker. */

interface Options {
  follow?: boolean;
  lines: number;
  level?: string;
  module?: string[];
  tid?: string;
}

interface LogLine {
  level?: string;
  module?: string;
  tid?: string;
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];

export function addLogsCommand(host: CommandHost): void {
  host
    .add('logs', "print the worker's log", [
      'logs -f',
      'logs --level warn -n 200',
      'logs --module pool --tid 3f2a…',
      'logs -f --json | jq .msg',
    ])
    .option('-f, --follow', 'go on with what is written, through log rotation, until Ctrl-C')
    .option('-n, --lines <n>', 'how many of the last lines', parseInteger, 50)
    .option('--level <level>', `least level: ${LEVELS.join(', ')}`)
    .option('--module <name>', 'only of this module; may be repeated', collect)
    .option('--tid <id>', 'only of this transaction')
    .action(
      action(async (context, options: Options) => {
        const wanted = filterOf(options);
        const { config } = await context.load();
        const { resolvePaths } = await import('../config/paths.js');
        const { logFile } = resolvePaths(config);
        if (logFile === null)
          throw new IluvatarError('not_found', 'this worker logs to standard error (log.file is "-")');
        const write = context.json ? (line: string) => process.stdout.write(`${line}\n`) : await prettyWriter();
        const start = await lastLines(logFile, options.lines, wanted);
        if (start === null && options.follow !== true) {
          throw new IluvatarError('not_found', `there is no log at ${logFile}; has this worker ever run?`);
        }
        for (const line of start?.lines ?? []) write(line);
        if (options.follow !== true) return;
        const interruption = new AbortController();
        process.once('SIGINT', () => interruption.abort());
        process.once('SIGTERM', () => interruption.abort());
        for await (const line of followLines(logFile, start, interruption.signal)) {
          if (wanted(line)) write(line);
        }
      }),
    );
}

function filterOf({ level, module, tid }: Options): (line: string) => boolean {
  const least = level === undefined ? 0 : LEVELS.indexOf(level);
  if (least < 0) throw new UsageError(`--level ${level}: must be one of ${LEVELS.join(', ')}`);
  if (least === 0 && module === undefined && tid === undefined) return () => true;
  return (text) => {
    let line: LogLine;
    try {
      line = JSON.parse(text) as LogLine;
    } catch {
      // A torn line, or one that is not ours: shown rather than hidden, unless something particular is looked for.
      return module === undefined && tid === undefined;
    }
    return (
      LEVELS.indexOf(line.level ?? 'info') >= least &&
      (module === undefined || module.includes(line.module ?? '')) &&
      (tid === undefined || line.tid === tid)
    );
  };
}

async function prettyWriter(): Promise<(line: string) => void> {
  const { prettyFactory } = await import('pino-pretty');
  const pretty = prettyFactory({
    colorize: process.stdout.isTTY === true && !process.env.NO_COLOR,
    translateTime: 'SYS:yyyy-mm-dd HH:MM:ss.l',
    messageFormat: '{if module}{module}: {end}{msg}',
    ignore: 'module',
  });
  return (line) => process.stdout.write(pretty(line) ?? '');
}
