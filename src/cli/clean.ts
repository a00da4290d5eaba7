import { IluvatarError } from '../core/errors.js';
import { backendFlags, collectBackends } from './backend-options.js';
import { action, type CommandHost } from './command-host.js';
import type { Context } from './context.js';

/** `iluvatar clean`: idle containers of a worker that runs; what is left of one that does not. */

interface Options {
  dryRun?: boolean;
  name?: string;
  dataDir?: string;
  backend?: string[];
}

export function addCleanCommand(host: CommandHost): void {
  host
    .add('clean', 'remove all idle containers; with no worker running, what it has left on this machine', [
      'clean',
      'clean --dry-run                              # no worker runs: what would be removed',
      'clean --name builder --backend process,containerd',
    ])
    .option('--dry-run', 'list what a worker that does not run has left, and remove nothing')
    .option('--name <name>', 'the name of that worker')
    .option('--data-dir <folder>', 'its data folder')
    .option('--backend <names>', 'its backends; may be repeated', collectBackends)
    .action(
      action(async (context, options: Options) => {
        const { backendNames } = await import('../config/backend-names.js');
        const chosen = options.backend === undefined ? {} : backendFlags(options.backend, backendNames());
        const own = context.withFlags({ name: options.name, dataDir: options.dataDir, ...chosen });
        const removed = options.dryRun === true ? null : await cleanRunning(own);
        if (removed === null) await cleanLeft(own, options.dryRun === true);
        else
          context.print({ removed }, () => `removed ${removed} idle ${removed === 1 ? 'container' : 'containers'}\n`);
      }),
    );
}

/** Null = no worker listens. */
async function cleanRunning(context: Context): Promise<number | null> {
  try {
    return await context.withClient((client) => client.clean());
  } catch (error) {
    if (error instanceof IluvatarError && error.errorClass === 'unavailable') return null;
    throw error;
  }
}

async function cleanLeft(context: Context, dryRun: boolean): Promise<void> {
  const [{ cleanUp }, { createLog, closeLog }] = await Promise.all([
    import('../worker/clean-up.js'),
    import('../telemetry/logs/log.js'),
  ]);
  const { config } = await context.load();
  // What it has to say is in the report.
  const log = createLog({ ...config, log: { ...config.log, level: 'silent' } }, { file: null });
  try {
    const { leftovers, problems } = await cleanUp(config, log, { dryRun });
    context.print({ dryRun, leftovers, problems }, () =>
      leftovers.length === 0
        ? 'nothing is left\n'
        : `${leftovers.map((name) => `${dryRun ? '' : 'removed '}${name}\n`).join('')}`,
    );
    if (problems.length > 0) throw new IluvatarError('unavailable', problems.join('\n'));
  } finally {
    await closeLog(log);
  }
}
