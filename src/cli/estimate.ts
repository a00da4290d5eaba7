import { action, type CommandHost } from './command-host.js';
import { microseconds, table } from './output.js';
import { parseFunction } from './parse.js';

export function addEstimateCommand(host: CommandHost): void {
  host
    .add('estimate', 'estimate how long an invocation would take now, waiting included', ['estimate hello resize@2'])
    .argument('<functions...>', 'names or name@version')
    .action(
      action(async (context, _options, texts: string[]) => {
        const functions = texts.map(parseFunction);
        const estimates = await context.withClient((client) => client.estimate(functions));
        const rows = functions.map((fn, i) => ({ ...fn, seconds: estimates[i] ?? 0 }));
        context.print(rows, () =>
          table(
            rows,
            [
              { title: 'FUNCTION', text: ({ name, version }) => `${name}@${version}` },
              {
                title: 'ESTIMATE',
                right: true,
                text: ({ seconds }) => (seconds === 0 ? 'never seen' : microseconds(seconds * 1_000_000)),
              },
            ],
            '',
          ),
        );
      }),
    );
}
