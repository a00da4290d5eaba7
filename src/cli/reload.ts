import type { ReloadReport } from '../config/api.js';
import { action, type CommandHost } from './command-host.js';

export function addReloadCommand(host: CommandHost): void {
  host
    .add('reload', 'have the worker read its configuration again, as SIGHUP does, and print what has changed', [
      'reload',
      'reload --json',
    ])
    .action(
      action(async (context) => {
        context.print(await context.withClient((client) => client.reload()), reloadText);
      }),
    );
}

function reloadText({ changed, restart }: ReloadReport): string {
  const lines = [changed.length === 0 ? 'nothing has changed at once' : `in force now: ${changed.join(', ')}`];
  if (restart.length > 0) lines.push(`changed with a restart only: ${restart.join(', ')}`);
  return `${lines.join('\n')}\n`;
}
