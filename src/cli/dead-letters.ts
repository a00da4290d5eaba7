import type { DeadLetter, DeadLetterSelection } from '../config/api.js';
import { action, CommandHost } from './command-host.js';
import { UsageError } from './exit-codes.js';
import { type Column, table } from './output.js';
import { parseFunction, parseInteger } from './parse.js';

/** `iluvatar dead-letters`: asynchronous invocations that failed in all their attempts. */

interface Selection {
  function?: string;
  all?: boolean;
}

const COLUMNS: readonly Column<DeadLetter>[] = [
  { title: 'ID', text: ({ id }) => id },
  { title: 'FUNCTION', text: ({ name, version }) => `${name}@${version}` },
  { title: 'DIED', text: ({ diedAt }) => new Date(diedAt).toISOString() },
  { title: 'ATTEMPTS', right: true, text: ({ attempts }) => String(attempts) },
  { title: 'ERROR', text: ({ error }) => `${error.errorClass}: ${error.message}` },
];

export function addDeadLettersCommand(host: CommandHost): void {
  const command = host.add('dead-letters', 'asynchronous invocations that failed in all their attempts', [
    'dead-letters list',
    'dead-letters show 8f9c…',
    'dead-letters replay --function hello',
    'dead-letters purge --all',
  ]);
  const inner = new CommandHost(command);
  inner
    .add('list', 'list them, the oldest first', ['dead-letters list', 'dead-letters list --function hello@2 --json'])
    .option('-f, --function <function>', 'of this function: name or name@version')
    .option('-n, --limit <n>', 'at most so many', parseInteger, 1000)
    .action(
      action(async (context, { function: fn, limit }: Selection & { limit: number }) => {
        const filter = { ...(fn === undefined ? {} : functionFilter(fn)), limit };
        const letters = await context.withClient((client) => client.deadLetters.list(filter));
        context.print(letters, (rows) => table(rows, COLUMNS, 'there are no dead letters'));
      }),
    );
  inner
    .add('show', 'print one, with its arguments and its error', ['dead-letters show 8f9c…'])
    .argument('<id>')
    .action(
      action(async (context, _options, id: string) => {
        const letter = await context.withClient((client) => client.deadLetters.show(id));
        context.print(letter, (value) => `${JSON.stringify(value, null, 2)}\n`);
      }),
    );
  selecting(inner, 'replay', 'run them again, as new invocations; prints the new ids').action(
    action(async (context, options: Selection, id?: string) => {
      const ids = await context.withClient((client) => client.deadLetters.replay(selectionOf(options, id)));
      context.print({ ids }, (answer) => answer.ids.map((one) => `${one}\n`).join(''));
    }),
  );
  selecting(inner, 'purge', 'throw them away').action(
    action(async (context, options: Selection, id?: string) => {
      const removed = await context.withClient((client) => client.deadLetters.purge(selectionOf(options, id)));
      context.print({ removed }, (answer) => `${answer.removed} removed\n`);
    }),
  );
}

function selecting(host: CommandHost, name: string, description: string) {
  return host
    .add(name, description, [
      `dead-letters ${name} 8f9c…`,
      `dead-letters ${name} --function hello`,
      `dead-letters ${name} --all`,
    ])
    .argument('[id]', 'one of them')
    .option('-f, --function <function>', 'all of this function: name or name@version')
    .option('--all', 'all of them');
}

function selectionOf({ function: fn, all }: Selection, id: string | undefined): DeadLetterSelection {
  const given = [id, fn, all].filter((one) => one !== undefined);
  if (given.length !== 1) throw new UsageError('give an id, --function or --all');
  if (id !== undefined) return { id };
  return fn === undefined ? { all: true } : functionFilter(fn);
}

/** Without a version: of all versions. */
function functionFilter(text: string): { name: string; version?: string } {
  const { name, version } = parseFunction(text);
  return text.includes('@') ? { name, version } : { name };
}
