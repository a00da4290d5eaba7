import { Option } from 'commander';
import { action, type CommandHost } from './command-host.js';
import { parseFunction, parseInteger } from './parse.js';

interface Options {
  count: number;
  device?: 'cpu' | 'gpu';
}

export function addPrewarmCommand(host: CommandHost): void {
  host
    .add('prewarm', 'make containers ready before they are asked for', ['prewarm hello', 'prewarm hello@2 --count 5'])
    .argument('<function>', 'name or name@version')
    .option('-n, --count <n>', 'how many containers', parseInteger, 1)
    .addOption(new Option('--device <device>', 'for functions that can use several: where').choices(['cpu', 'gpu']))
    .action(
      action(async (context, { count, device }: Options, text: string) => {
        const { name, version } = parseFunction(text);
        const answer = await context.withClient((client) =>
          client.prewarm(name, { version, count, ...(device === undefined ? {} : { device }) }),
        );
        context.print(answer, ({ containers, attempts }) => {
          const again = attempts > containers ? `, in ${attempts} attempts` : '';
          return `${name}@${version}: ${containers} prewarmed${again}\n`;
        });
      }),
    );
}
