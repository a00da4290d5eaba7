import { performance } from 'node:perf_hooks';
import { action, type CommandHost } from './command-host.js';
import { microseconds } from './output.js';

export function addPingCommand(host: CommandHost): void {
  host.add('ping', 'ask the worker for a sign of life', ['ping', 'ping --socket /run/iluvatar.sock']).action(
    action(async (context) => {
      const answer = await context.withClient(async (client) => {
        const begin = performance.now();
        const { name, version } = await client.ping();
        return { name, version, roundTripUs: Math.round((performance.now() - begin) * 1000) };
      });
      context.print(answer, (a) => `${a.name} ${a.version} answered in ${microseconds(a.roundTripUs)}\n`);
    }),
  );
}
