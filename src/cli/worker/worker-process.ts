import type { LoadedConfig } from '../../config/load.js';
import { resolvePidFile } from '../../config/paths.js';
import { inheritedSockets } from '../../worker/daemon/inherited-sockets.js';
import { PidFile } from '../../worker/daemon/pid-file.js';
import { takeServiceEnvironment } from '../../worker/daemon/service-environment.js';
import { ServiceManager } from '../../worker/daemon/service-manager.js';
import { ServiceReports } from '../../worker/daemon/service-reports.js';
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
  note(line: string): void;
}

/** Resolves when the worker has stopped. Rejects with an IluvatarError when it cannot start; nothing is left then. */
export async function runWorkerProcess(options: WorkerProcessOptions): Promise<void> {
  const { config } = options.read();
  const service = takeServiceEnvironment(process.env, process.pid);
  const path = resolvePidFile(config);
  const pidFile = options.pidFile || config.daemon.pidFile !== '' ? PidFile.take(path) : null;
  try {
    const note = (line: string): void => options.note(line);
    const complain = (error: Error): void => note(`the service manager cannot be told anything: ${error.message}`);
    const { notifyAddress, watchdogMs, descriptors } = service;
    const manager = new ServiceManager({ address: notifyAddress, watchdogMs, complain });
    const reports = new ServiceReports(manager, note);
    // All signals before the start, which may take long: one that comes meanwhile must neither be lost nor end the process half made.
    let running: Worker | null = null;
    // A reload that is refused is logged by the worker.
    process.on('SIGHUP', () => void running?.reload().catch(() => undefined));
    const stop = stopSignal(note);
    const sockets = inheritedSockets(descriptors, config);
    const worker = await Worker.start(config, {
      sockets,
      reread: () => options.read().config,
      observer: reports,
    });
    running = worker;
    reports.started(worker);
    await options.started(worker);
    await stop;
    await reports.stopping(() => worker.stop());
  } finally {
    pidFile?.release();
  }
}

/**
 * Resolves with the first SIGTERM or SIGINT. A second one ends the process at once: whoever sends it does not want to wait for running
 * invocations; their containers end with the worker's connection.
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
