import { action, type CommandHost } from './command-host.js';

export function addCleanCommand(host: CommandHost): void {
  host.add('clean', 'remove all idle containers', ['clean']).action(
    action(async (context) => {
      const removed = await context.withClient((client) => client.clean());
      context.print({ removed }, () => `removed ${removed} idle ${removed === 1 ? 'container' : 'containers'}\n`);
    }),
  );
}
