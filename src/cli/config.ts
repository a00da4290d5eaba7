import type { ExplainedOption } from '../config/explain.js';
import { action, CommandHost } from './command-host.js';
import { facts, paint } from './output.js';

/** `iluvatar config`: what is configured, what each option means, and the schema for editors. */

export function addConfigCommand(host: CommandHost): void {
  const config = host.add('config', "look at a worker's configuration", [
    'config show --config worker.yaml',
    'config explain http.port',
    'config schema > worker.schema.json',
  ]);
  const inner = new CommandHost(config);
  inner
    .add('show', 'print the configuration in force: defaults, file, environment, flags', [
      'config show',
      'config show --set http.port=9000 --json',
      'config show --secrets > worker.yaml    # whole: to be kept as a secret itself',
    ])
    .option('--secrets', 'print secrets (tokens, passwords, headers) as they are')
    .action(
      action(async (context, options: { secrets?: true }) => {
        const { config } = await context.load();
        const [{ stringify }, { withoutSecrets }] = await Promise.all([import('yaml'), import('../config/secrets.js')]);
        context.print(options.secrets === true ? config : withoutSecrets(config), (value) => stringify(value));
      }),
    );
  inner
    .add('explain', 'explain an option: type, default, environment name, value and where it comes from', [
      'config explain http.port',
      'config explain sandbox    # a whole section',
      'config explain            # everything',
    ])
    .argument('[key]', 'an option such as http.port, or a section')
    .action(
      action(async (context, _options, key: string = '') => {
        const { explainConfig } = await import('../config/explain.js');
        const { withoutSecrets } = await import('../config/secrets.js');
        const options = explainConfig(await context.load(), key).map((option) => ({
          ...option,
          value: withoutSecrets(option.value, option.path.at(-1)),
        }));
        context.print(
          options.map(({ path: _path, ...rest }) => rest),
          () => options.map(optionText).join('\n'),
        );
      }),
    );
  inner.add('schema', 'print the JSON Schema of the configuration file', ['config schema > worker.schema.json']).action(
    action(async () => {
      const { workerJsonSchema } = await import('../config/json-schema.js');
      process.stdout.write(`${JSON.stringify(workerJsonSchema(), null, 2)}\n`);
    }),
  );
}

function optionText(option: ExplainedOption): string {
  return `${paint('bold', option.key)}: ${option.description}\n${facts([
    ['  allowed', option.allowed],
    ['  default', JSON.stringify(option.default)],
    ['  environment', option.environment],
    ['  changes', option.live ? 'with a reload' : 'with a restart'],
    ['  value', `${JSON.stringify(option.value)} (${option.source})`],
  ])}`;
}
