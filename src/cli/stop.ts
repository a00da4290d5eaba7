import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkerConfig } from '../config/schema.js';
import { IluvatarError } from '../core/errors.js';
import { action, type CommandHost } from './command-host.js';
import type { Context } from './context.js';
import { parseDuration } from './parse.js';

/** `iluvatar stop`: SIGTERM to a worker's process, found by its pid file or its socket, and the wait for its end. */

interface Options {
  timeout?: string;
}

/** Beside the time to finish what runs: containers and engines are to be put away, too. */
const BESIDE_DRAIN_MS = 30_000;
const POLL_MS = 50;

export function addStopCommand(host: CommandHost): void {
  host
    .add('stop', 'have the worker finish what runs, and wait until its process has ended', [
      'stop',
      'stop --config worker.yaml --timeout 2m',
    ])
    .option('--timeout <duration>', 'how long to wait; drainMs of the configuration and 30 s unless given')
    .action(
      action(async (context, options: Options) => {
        const { config } = await context.load();
        const limitMs =
          options.timeout === undefined ? config.drainMs + BESIDE_DRAIN_MS : parseDuration(options.timeout);
        const pid = await workerPid(context, config);
        await end(pid, limitMs);
        context.print({ stopped: pid }, () => `process ${pid} has ended\n`);
      }),
    );
}

async function workerPid(context: Context, config: WorkerConfig): Promise<number> {
  const [{ resolvePidFile }, { runningPid }] = await Promise.all([
    import('../config/paths.js'),
    import('../worker/daemon/pid-file.js'),
  ]);
  const pid = runningPid(resolvePidFile(config));
  if (pid !== null) return pid;
  return await context.withClient(async (client) => (await client.ping()).pid);
}

async function end(pid: number, limitMs: number): Promise<void> {
  if (!signal(pid, 'SIGTERM')) return;
  for (const until = Date.now() + limitMs; Date.now() < until; await sleep(POLL_MS)) {
    if (!signal(pid, 0)) return;
  }
  throw new IluvatarError('timeout', `process ${pid} is still there after ${limitMs} ms; it goes on stopping`);
}

/** False: there is no such process. */
function signal(pid: number, what: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, what);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ESRCH') return false;
    throw new IluvatarError('unavailable', `process ${pid} cannot be signalled: ${message}`);
  }
}
