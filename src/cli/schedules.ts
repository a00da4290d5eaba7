import { Option } from 'commander';
import type { Schedule } from '../config/api.js';
import { action, CommandHost } from './command-host.js';
import { UsageError } from './exit-codes.js';
import { argumentsFromPairs, argumentsFromText } from './function-arguments.js';
import { type Column, table } from './output.js';
import { collect, parseDuration, parseFunction } from './parse.js';

/** `iluvatar schedules`: functions that run at times. */

interface AddOptions {
  cron?: string;
  at?: string;
  timezone?: string;
  missed?: 'run' | 'skip';
  timeout?: number;
  webhook?: string;
  arg?: string[];
}

const COLUMNS: readonly Column<Schedule>[] = [
  { title: 'SCHEDULE', text: ({ id }) => id },
  { title: 'FUNCTION', text: ({ name, version }) => `${name}@${version}` },
  { title: 'WHEN', text: ({ cron, timezone, at }) => (cron === null ? time(at) : `${cron} (${timezone})`) },
  { title: 'NEXT', text: ({ nextAt }) => time(nextAt) },
  { title: 'LAST', text: ({ lastAt }) => time(lastAt) },
  { title: 'INVOCATION', text: ({ lastId }) => lastId ?? '-' },
];

export function addSchedulesCommand(host: CommandHost): void {
  const command = host.add('schedules', 'run functions at times', [
    `schedules add nightly report --cron '0 3 * * *' --timezone Europe/Berlin`,
    'schedules add once hello --at 2030-01-01T00:00:00Z -a name=world',
    'schedules list',
    'schedules remove nightly',
  ]);
  const inner = new CommandHost(command);
  inner
    .add('add', 'store a schedule', [`schedules add nightly report --cron '0 3 * * *'`])
    .argument('<name>', 'of the schedule')
    .argument('<function>', 'name or name@version')
    .argument('[arguments]', 'of each firing: JSON, @file, or - for standard input')
    .option('-a, --arg <name=value>', 'one argument, as of "invoke"; may be repeated', collect)
    .option('--cron <pattern>', 'five or six fields, or @hourly and the like')
    .option('--at <time>', 'once: ISO 8601 with an offset, such as 2030-01-01T00:00:00Z')
    .option('--timezone <name>', 'of the cron pattern: Europe/Berlin; UTC unless given')
    .addOption(
      new Option('--missed <what>', 'what fell due while no worker ran (default: as the worker is configured)').choices(
        ['run', 'skip'],
      ),
    )
    .option('-t, --timeout <duration>', "overrides the function's time-out", parseDuration)
    .option('--webhook <url>', 'gets each result')
    .action(
      action(async (context, options: AddOptions, id: string, text: string, operand?: string) => {
        const { arg, timeout: timeoutMs, ...times } = options;
        if (arg !== undefined && operand !== undefined) throw new UsageError('give the arguments once');
        const body = operand === undefined ? argumentsFromPairs(arg ?? []) : argumentsFromText(operand);
        const { cron, at, timezone, missed, webhook } = times;
        const schedule = {
          id,
          ...parseFunction(text),
          ...(cron === undefined ? {} : { cron }),
          ...(at === undefined ? {} : { at }),
          ...(timezone === undefined ? {} : { timezone }),
          ...(missed === undefined ? {} : { missed }),
          ...(timeoutMs === undefined ? {} : { timeoutMs }),
          ...(webhook === undefined ? {} : { webhook }),
        };
        const added = await context.withClient((client) => client.schedules.addText(schedule, body));
        context.print(added, ({ nextAt }) => `${id}: next at ${time(nextAt)}\n`);
      }),
    );
  inner.add('list', 'list them', ['schedules list', 'schedules list --json']).action(
    action(async (context) => {
      const schedules = await context.withClient((client) => client.schedules.list());
      context.print(schedules, (rows) => table(rows, COLUMNS, 'there are no schedules'));
    }),
  );
  inner
    .add('remove', 'remove one; what it has fired goes on', ['schedules remove nightly'])
    .argument('<name>')
    .action(
      action(async (context, _options, id: string) => {
        await context.withClient((client) => client.schedules.remove(id));
        context.print({ removed: true }, () => `${id}: removed\n`);
      }),
    );
}

function time(ms: number | null): string {
  return ms === null ? '-' : new Date(ms).toISOString();
}
