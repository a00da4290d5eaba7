import { action, type CommandHost } from './command-host.js';
import { parseFunction, parseInteger } from './parse.js';

interface Options {
  count: number;
}

export function addPrewarmCommand(host: CommandHost): void {
  host
    .add('prewarm', 'make containers ready before they are asked for', ['prewarm hello', 'prewarm hello@2 --count 5'])
    .argument('<function>', 'name or name@version')
    .option('-n, --count <n>', 'how many containers', parseInteger, 1)
    .action(
      action(async (context, { count }: Options, text: string) => {
        const { name, version } = parseFunction(text);
        const answer = await context.withClient((client) => client.prewarm(name, { version, count }));
        context.print(answer, ({ containers }) => `${name}@${version}: ${containers} prewarmed\n`);
      }),
    );
}
