import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { IluvatarError } from '../core/errors.js';
import type { WorkerConfig } from './schema.js';

/**
 * Where a worker's files are, decided once from its configuration: the worker, its threads and the command line must agree, or a client would
 * look for the socket of one user in the folder of another. Decides only; makes nothing.
 */
export interface WorkerPaths {
  /** Absolute. */
  readonly dataDir: string;
  /** Unix socket of the framed protocol. */
  readonly socket: string;
  /** Null = standard error. */
  readonly logFile: string | null;
}

export type PathSettings = Pick<WorkerConfig, 'name' | 'dataDir' | 'socket'> & {
  readonly log: { readonly file: string };
};

/** Longest path that fits into a unix socket address, in bytes (sun_path less its final NUL). */
export const SOCKET_PATH_MAX = 107;

/** Throws `invalid` when the socket's path does not fit into a socket address. */
export function resolvePaths(config: PathSettings): WorkerPaths {
  const dataDir = resolveDataDir(config);
  return { dataDir, socket: resolveSocket(config, dataDir), logFile: resolveLogFile(config, dataDir) };
}

/** `/var/lib/iluvatar/<name>` for root; below `$XDG_STATE_HOME` or `~/.local/state` for everybody else. */
export function resolveDataDir(config: Pick<WorkerConfig, 'name' | 'dataDir'>): string {
  if (config.dataDir !== '') return resolve(config.dataDir);
  if (process.getuid?.() === 0) return `/var/lib/iluvatar/${config.name}`;
  const state = process.env.XDG_STATE_HOME;
  // The base-directory rules say that a relative value is to be ignored.
  const base = state?.startsWith('/') ? state : join(homedir(), '.local/state');
  return join(base, 'iluvatar', config.name);
}

/** Null = standard error (`log.file` is "-"). */
export function resolveLogFile(config: PathSettings, dataDir = resolveDataDir(config)): string | null {
  if (config.log.file === '-') return null;
  return config.log.file === '' ? join(dataDir, 'log/worker.log') : resolve(config.log.file);
}

/** Where the process id is kept by a worker that keeps it. */
export function resolvePidFile(config: PathSettings & Pick<WorkerConfig, 'daemon'>): string {
  const { pidFile } = config.daemon;
  return pidFile === '' ? join(resolveDataDir(config), 'worker.pid') : resolve(pidFile);
}

function resolveSocket(config: PathSettings, dataDir: string): string {
  const socket = config.socket === '' ? join(dataDir, 'worker.sock') : resolve(config.socket);
  const bytes = Buffer.byteLength(socket);
  if (bytes > SOCKET_PATH_MAX) {
    const hint = config.socket === '' ? 'set "socket" or a shorter "dataDir"' : 'choose a shorter "socket"';
    throw new IluvatarError(
      'invalid',
      `the socket path ${socket} has ${bytes} bytes, a socket address holds ${SOCKET_PATH_MAX}: ${hint}`,
    );
  }
  return socket;
}
