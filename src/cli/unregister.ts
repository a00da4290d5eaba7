import { action, type CommandHost } from './command-host.js';
import { parseFunction } from './parse.js';

export function addUnregisterCommand(host: CommandHost): void {
  host
    .add('unregister', 'remove a function', ['unregister hello', 'unregister hello@2'])
    .argument('<function>', 'name or name@version')
    .action(
      action(async (context, _options, text: string) => {
        const { name, version } = parseFunction(text);
        await context.withClient((client) => client.unregister(name, version));
        context.print({ name, version, removed: true }, () => `removed ${name}@${version}\n`);
      }),
    );
}
