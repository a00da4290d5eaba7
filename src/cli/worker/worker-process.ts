import type { LoadedConfig } from '../../config/load.js';
import { resolvePidFile } from '../../config/paths.js';
import type { WorkerConfig } from '../../config/schema.js';
import { type InheritedSockets, inheritedSockets } from '../../worker/daemon/inherited-sockets.js';
import { takeLeftSockets } from '../../worker/daemon/left-sockets.js';
import { PidFile } from '../../worker/daemon/pid-file.js';
import { takeServiceEnvironment } from '../../worker/daemon/service-environment.js';
import { ServiceManager } from '../../worker/daemon/service-manager.js';
import { ServiceReports } from '../../worker/daemon/service-reports.js';
import { Predecessor } from '../../worker/daemon/succession.js';
import { Upgrade } from '../../worker/daemon/upgrade.js';
import { Worker } from '../../worker/worker.js';

/**
 * The life of a process that is a worker: it takes what its service manager gives, starts, says that it is ready, reads its configuration again on SIGHUP, and
 * finishes what runs on SIGTERM or SIGINT.
 */

export interface WorkerProcessOptions {
  /** Reads the configuration anew from the same sources each time. */
  read(): LoadedConfig;
  /** Takes the pid file, also where none is configured. */
  pidFile: boolean;
  /** It serves. */
  started(worker: Worker): Promise<void>;
  /** What a process that is to replace this one is started with. */
  command: readonly [program: string, ...args: string[]];
  note(line: string): void;
}

/** Resolves when the worker has stopped. Rejects with an IluvatarError when it cannot start; nothing is left then. */
export async function runWorkerProcess(options: WorkerProcessOptions): Promise<void> {
  const predecessor = Predecessor.take(process.env);
  try {
    await runWorker(options, predecessor);
  } catch (error) {
    predecessor?.failed(error);
    throw error;
  }
}

async function runWorker(options: WorkerProcessOptions, predecessor: Predecessor | null): Promise<void> {
  const { config } = options.read();
  const service = takeServiceEnvironment(process.env, process.pid);
  const note = (line: string): void => options.note(line);
  const pid = new PidOfWorker(options.pidFile || config.daemon.pidFile !== '' ? resolvePidFile(config) : null);
  // The other process has it until then.
  await predecessor?.turn();
  pid.take();
  try {
    const complain = (error: Error): void => note(`the service manager cannot be told anything: ${error.message}`);
    const { notifyAddress, watchdogMs, descriptors } = service;
    const manager = new ServiceManager({ address: notifyAddress, watchdogMs, complain });
    const reports = new ServiceReports(manager, note);
    // All signals before the start, which may take long: one that comes meanwhile must neither be lost nor end the process half made.
    let running: Worker | null = null;
    // A reload that is refused is logged by the worker.
    process.on('SIGHUP', () => void running?.reload().catch(() => undefined));
    const stop = stopSignal(note);
    const inherited = inheritedSockets(descriptors, config);
    // Also where nobody is replaced: a process that died while it was has left them, too.
    const sockets = await leftSockets(config, inherited);
    const upgrade = new Upgrade({
      ...config.daemon.upgrade,
      command: options.command,
      environment: service.forSuccessor,
      handOver: async (drainMs) => {
        await worker.handOver(drainMs);
        pid.release();
      },
      takeBack: async () => {
        pid.take();
        await worker.takeBack(await leftSockets(config, inherited));
      },
      succeeded: (successor) => manager.mainProcess(successor),
      note,
    });
    const worker: Worker = await Worker.start(config, {
      sockets,
      reread: () => options.read().config,
      observer: reports,
      upgrade,
    });
    running = worker;
    if (predecessor === null) await options.started(worker);
    else await predecessor.served();
    reports.started(worker);
    // One who is to stop while it is being replaced first sees how that ends: two processes are else told half of it each.
    let stopped = false;
    const end = stop.then(() => {
      stopped = true;
      return upgrade.settled();
    });
    if ((await Promise.race([end, upgrade.replaced])) === 'replaced') {
      reports.ended();
      if (stopped) process.kill(upgrade.successor, 'SIGTERM');
      await worker.leave();
    } else await reports.stopping(() => worker.stop());
  } finally {
    pid.release();
  }
}

/** What the process before this one has left, and otherwise what the service manager gave. */
async function leftSockets(config: WorkerConfig, inherited: InheritedSockets): Promise<InheritedSockets> {
  const left = await takeLeftSockets(config, { warn() {} });
  return {
    http: left.http ?? inherited.http,
    grpc: left.grpc ?? inherited.grpc,
    unix: left.unix ?? inherited.unix,
  };
}

/** The pid file, where there is one. */
class PidOfWorker {
  readonly #path: string | null;
  #file: PidFile | null = null;

  constructor(path: string | null) {
    this.#path = path;
  }

  take(): void {
    if (this.#path !== null) this.#file = PidFile.take(this.#path);
  }

  release(): void {
    this.#file?.release();
    this.#file = null;
  }
}

/**
 * Resolves with the first SIGTERM or SIGINT. A second one ends the process at once: whoever sends it does not want to wait for running
 * invocations; their containers stay with the keeper, for its grace or until the next start.
 */
function stopSignal(note: (line: string) => void): Promise<void> {
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
