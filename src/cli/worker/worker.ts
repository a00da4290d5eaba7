import { Option } from 'commander';
import { backendFlags, collectBackends } from '../backend-options.js';
import { action, type CommandHost } from '../command-host.js';
import type { Context } from '../context.js';
import { UsageError } from '../exit-codes.js';
import type { Started } from './detached-process.js';

/** `iluvatar worker`: a worker in the foreground, until a signal, or with `--daemon` in the background. */

interface Options {
  name?: string;
  dataDir?: string;
  httpAddress?: string;
  httpPort?: string;
  http: boolean;
  grpcAddress?: string;
  grpcPort?: string;
  logLevel?: string;
  logFile?: string;
  backend?: string[];
  daemon?: boolean;
  detached?: boolean;
  pidFile?: string;
}

export function addWorkerCommand(host: CommandHost): void {
  host
    .add('worker', 'start a worker, in the foreground or (--daemon) in the background', [
      'worker',
      'worker --http-port 9000 --socket /run/iluvatar.sock',
      'worker --grpc-port 8070                      # for clients of the original, too',
      'worker --backend containerd,process          # containerd first, else containers of its own',
      'worker --config /etc/iluvatar/worker.yaml --set memory.budgetMb=4096',
      'worker --daemon --config worker.yaml         # back when it is ready; iluvatar stop ends it',
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
    .option('--grpc-address <address>', 'address for gRPC; served only with this or --grpc-port, or by grpc.enabled')
    .option('--grpc-port <port>', 'port for gRPC (8070 unless given); 0 = any free one')
    .option('--log-level <level>', 'trace, debug, info, warn, error or silent')
    .option('--log-file <file>', 'log file; "-" = standard error')
    .option('--daemon', 'run in the background; return when the worker is ready, or has failed')
    .option('--pid-file <file>', 'file with its process id; with --daemon <data-dir>/worker.pid unless given')
    .addOption(new Option('--detached').hideHelp())
    .action(
      action(async (context, options: Options) => {
        const { backendNames } = await import('../../config/backend-names.js');
        const chosen = options.backend === undefined ? {} : backendFlags(options.backend, backendNames());
        const configured = context.withFlags({ ...flagsOf(options), ...chosen });
        if (options.daemon === true) await startInBackground(configured);
        else await run(configured, options.detached === true);
      }),
    );
}

async function startInBackground(context: Context): Promise<void> {
  // Before anything is started: a mistake in the configuration is told here, by this process.
  const { config } = await context.load();
  const [{ startDetached }, { resolvePaths }] = await Promise.all([
    import('./detached-process.js'),
    import('../../config/paths.js'),
  ]);
  const { logFile } = resolvePaths(config);
  if (logFile === null) throw new UsageError('a daemon has no standard error to log to: choose a log file');
  const { started, notes } = await startDetached(process.argv, `${logFile}.stderr`);
  context.print(started, (value) => readyText(value, `process ${value.pid}; iluvatar stop ends it`));
  for (const line of notes) context.note(line);
}

async function run(context: Context, detached: boolean): Promise<void> {
  const [{ runWorkerProcess }, { describeStart, reportFailed, reportStarted }] = await Promise.all([
    import('./worker-process.js'),
    import('./detached-process.js'),
  ]);
  try {
    await runWorkerProcess({
      read: await context.reader(),
      pidFile: detached,
      command: [process.execPath, ...process.execArgv, ...process.argv.slice(1)],
      note: (line) => context.note(line),
      started: async (worker) => {
        const notes: string[] = [];
        // It runs without an engine, and tries again and again: whoever starts it should know all the same.
        for (const { name, healthy, notes: why } of (await worker.health()).backends) {
          if (!healthy) notes.push(`backend ${name} is not healthy: ${why.join('; ')} (iluvatar doctor)`);
        }
        if (detached) {
          await reportStarted(worker, notes);
          return;
        }
        context.print(describeStart(worker), (value) => readyText(value, 'Ctrl-C stops it'));
        for (const line of notes) context.note(line);
      },
    });
  } catch (error) {
    // Told by the process that waits for it; the exit code is the same.
    if (detached) await reportFailed(error);
    throw error;
  }
}

function readyText({ name, socket, http, grpc }: Started, how: string): string {
  const where = [socket, http, grpc === null ? null : `${grpc} (gRPC)`].filter((one) => one !== null);
  const places = where.length === 1 ? socket : `${where.slice(0, -1).join(', ')} and ${where.at(-1)}`;
  return `worker "${name}" is ready on ${places} (${how})\n`;
}

/** By option; what was not given stays out, so that file and environment count. */
function flagsOf(options: Options): Record<string, string | undefined> {
  return {
    name: options.name,
    dataDir: options.dataDir,
    'http.address': options.httpAddress,
    'http.port': options.httpPort,
    'http.enabled': options.http ? undefined : 'false',
    'grpc.enabled': options.grpcAddress === undefined && options.grpcPort === undefined ? undefined : 'true',
    'grpc.address': options.grpcAddress,
    'grpc.port': options.grpcPort,
    'log.level': options.logLevel,
    'log.file': options.logFile,
    'daemon.pidFile': options.pidFile,
  };
}
