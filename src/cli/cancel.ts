import { action, type CommandHost } from './command-host.js';

export function addCancelCommand(host: CommandHost): void {
  host
    .add('cancel', 'cancel an asynchronous invocation that has not begun', ['cancel 8f9c…'])
    .argument('<id>', 'as printed by "invoke --async"')
    .action(
      action(async (context, _options, id: string) => {
        await context.withClient((client) => client.cancel(id));
        context.print({ cancelled: true }, () => `${id}: cancelled\n`);
      }),
    );
}
