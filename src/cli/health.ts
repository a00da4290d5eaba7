import type { WorkerHealth } from '../config/api.js';
import { action, type CommandHost } from './command-host.js';
import { EXIT } from './exit-codes.js';
import { paint } from './output.js';

export function addHealthCommand(host: CommandHost): void {
  host
    .add('health', `show whether the worker is healthy; exits ${EXIT.unreachable} when it is not`, [
      'health',
      'health --json',
    ])
    .action(
      action(async (context) => {
        const health = await context.withClient((client) => client.health());
        context.print(health, healthText);
        if (!health.healthy) process.exitCode = EXIT.unreachable;
      }),
    );
}

function healthText({ healthy, notes, backends, threads, tasks }: WorkerHealth): string {
  const lines = [verdict(healthy), ...notes.map((note) => `  ${note}`)];
  for (const backend of backends) {
    lines.push(`backend ${backend.name}: ${verdict(backend.healthy)}`, ...backend.notes.map((note) => `  ${note}`));
  }
  for (const { name, state, restarts, lastError } of threads) {
    const restarted = restarts === 0 ? '' : `, ${restarts} restarts${lastError === null ? '' : ` (${lastError})`}`;
    lines.push(`thread ${name}: ${state}${restarted}`);
  }
  // Of those that never failed there is nothing to say.
  for (const { name, state, restarts, lastError } of tasks) {
    if (restarts > 0) lines.push(`task ${name}: ${state}, failed ${restarts} times (${lastError})`);
  }
  return `${lines.join('\n')}\n`;
}

function verdict(healthy: boolean): string {
  return healthy ? paint('green', 'healthy') : paint('red', 'not healthy');
}
