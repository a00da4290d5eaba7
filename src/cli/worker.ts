import { backendFlags, collectBackends } from './backend-options.js';
import { action, type CommandHost } from './command-host.js';

/** `iluvatar worker`: a worker in the foreground, until a signal. */

interface Options {
  name?: string;
  dataDir?: string;
  httpAddress?: string;
  httpPort?: string;
  http: boolean;
  logLevel?: string;
  logFile?: string;
  backend?: string[];
}

export function addWorkerCommand(host: CommandHost): void {
  host
    .add('worker', 'start a worker in the foreground', [
      'worker',
      'worker --http-port 9000 --socket /run/iluvatar.sock',
      'worker --backend containerd,process          # containerd first, else containers of its own',
      'worker --config /etc/iluvatar/worker.yaml --set memory.budgetMb=4096',
    ])
    .option('--name <name>', 'its name; everything it owns carries it')
    .option('--data-dir <folder>', 'where it keeps layers, state and logs')
    .option(
      '--backend <names>',
      'enable these backends and prefer them in this order: process, containerd, docker; may be repeated',
      collectBackends,
    )
    .option('--http-address <address>', 'address for HTTP')
    .option('--http-port <port>', 'port for HTTP; 0 = any free one')
    .option('--no-http', 'serve the unix socket only')
    .option('--log-level <level>', 'trace, debug, info, warn, error or silent')
    .option('--log-file <file>', 'log file; "-" = standard error')
    .action(
      action(async (context, options: Options) => {
        const [{ Worker }, { backendNames }] = await Promise.all([
          import('../worker/worker.js'),
          import('../config/backend-names.js'),
        ]);
        const chosen = options.backend === undefined ? {} : backendFlags(options.backend, backendNames());
        const { config } = await context.withFlags({ ...flagsOf(options), ...chosen }).load();
        const worker = await Worker.start(config);
        const started = { name: config.name, pid: process.pid, socket: worker.socketPath, http: worker.httpUrl };
        context.print(started, ({ name, socket, http }) => {
          const edges = http === null ? socket : `${socket} and ${http}`;
          return `worker "${name}" is ready on ${edges} (Ctrl-C stops it)\n`;
        });
        // It runs without an engine, and tries again and again: whoever starts it should know all the same.
        for (const { name, healthy, notes } of (await worker.health()).backends) {
          if (!healthy) context.note(`backend ${name} is not healthy: ${notes.join('; ')} (iluvatar doctor)`);
        }
        const reopen = (): void => worker.reopenLog();
        process.on('SIGHUP', reopen);
        await signalled(context.note.bind(context));
        await worker.stop();
      }),
    );
}

/** By option; what was not given stays out, so that file and environment count. */
function flagsOf(options: Options): Record<string, string | undefined> {
  return {
    name: options.name,
    dataDir: options.dataDir,
    'http.address': options.httpAddress,
    'http.port': options.httpPort,
    'http.enabled': options.http ? undefined : 'false',
    'log.level': options.logLevel,
    'log.file': options.logFile,
  };
}

/**
 * Resolves with the first SIGTERM or SIGINT. A second one ends the process at once: whoever sends it does not want to wait for running
 * invocations; their containers end with the worker's connection.
 */
function signalled(note: (line: string) => void): Promise<void> {
  return new Promise((resolve) => {
    let first = true;
    const handle = (signal: NodeJS.Signals): void => {
      if (!first) process.exit(signal === 'SIGINT' ? 130 : 143);
      first = false;
      note(`${signal}: finishing what runs; once more stops at once`);
      resolve();
    };
    process.on('SIGTERM', handle);
    process.on('SIGINT', handle);
  });
}
