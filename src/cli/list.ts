import type { RegisteredFunction } from '../config/api.js';
import { action, type CommandHost } from './command-host.js';
import { type Column, joules, table } from './output.js';

const COLUMNS: readonly Column<RegisteredFunction>[] = [
  { title: 'FUNCTION', text: ({ name, version }) => `${name}@${version}` },
  { title: 'RUNTIME', text: ({ runtime }) => runtime },
  { title: 'BACKENDS', text: ({ backends }) => backends.join(',') },
  { title: 'MEMORY', right: true, text: ({ memoryMb }) => `${memoryMb} MiB` },
  { title: 'CPUS', right: true, text: ({ cpus }) => String(cpus) },
  { title: 'TIMEOUT', right: true, text: ({ timeoutMs }) => `${timeoutMs / 1000} s` },
  { title: 'CONTAINERS', right: true, text: ({ containers }) => String(containers) },
  { title: 'RUNNING', right: true, text: ({ running }) => String(running) },
  { title: 'QUEUED', right: true, text: ({ queued }) => String(queued) },
];

const ENERGY: Column<RegisteredFunction> = {
  title: 'ENERGY',
  right: true,
  text: ({ energyJoules = null }) => (energyJoules === null ? '–' : joules(energyJoules)),
};

/** Most workers read no energy, and older ones do not speak of it. */
function columnsOf(rows: readonly RegisteredFunction[]): readonly Column<RegisteredFunction>[] {
  return rows.some(({ energyJoules = null }) => energyJoules !== null) ? [...COLUMNS, ENERGY] : COLUMNS;
}

export function addListCommand(host: CommandHost): void {
  host.add('list', 'list the registered functions', ['list', 'list --json']).action(
    action(async (context) => {
      const functions = await context.withClient((client) => client.list());
      context.print(functions, (rows) => table(rows, columnsOf(rows), 'no functions are registered'));
    }),
  );
}
