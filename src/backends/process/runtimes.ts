import { chmodSync, cpSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { WorkerConfig } from '../../config/schema.js';
import { nativeFile } from '../../native.js';
import { CODE } from '../../package-files.js';
import type { CellShape } from './cell-pool.js';
import type { ProcessFunction } from './function.js';
import type { Interpreter } from './interpreter.js';
import type { BackendPaths } from './paths.js';
import type { SpawnerCommand } from './spawner.js';

/** How each runtime is started: the commands of the spawners, and what a container's agent is executed with. */

/** The agents' files, which are not compiled. */
export const AGENTS = join(CODE, 'agents');

/** What is executed under a container's uid. */
const EXECUTED = ['python/agent.py', 'python/iluvatar_agent/serve.py', 'node/agent.mjs'];

/**
 * The agents' folder, or a copy of it below `dataDir` where a strict umask at installation left files that only their owner can read. Root
 * only: without it containers run as the owner.
 */
export function agentsFolder(dataDir: string): string {
  const readable = EXECUTED.every((file) => {
    const path = `${AGENTS}/${file}`;
    return (statSync(path).mode & 0o004) !== 0 && (statSync(dirname(path)).mode & 0o005) === 0o005;
  });
  if (process.getuid?.() !== 0 || (readable && (statSync(AGENTS).mode & 0o005) === 0o005)) return AGENTS;
  const copy = join(dataDir, 'agents');
  rmSync(copy, { recursive: true, force: true });
  cpSync(AGENTS, copy, { recursive: true });
  for (const entry of readdirSync(copy, { recursive: true, withFileTypes: true })) {
    chmodSync(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644);
  }
  chmodSync(copy, 0o755);
  return copy;
}

/** Nothing of the worker's own environment reaches a container: it may hold secrets. */
export const CONTAINER_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LANG: 'C.UTF-8',
  HOME: '/tmp',
  TMPDIR: '/tmp',
};

export interface SpawnerSetting {
  readonly config: WorkerConfig['sandbox'];
  readonly paths: BackendPaths;
  readonly cgroups: readonly string[];
  readonly interpreters: readonly Interpreter[];
  readonly agents: string;
  /** Folder of ready network namespaces; '' = none. */
  readonly networks: string;
  /** Of the containers' /etc/resolv.conf; none = a copy of the host's. */
  readonly nameServers: readonly string[];
}

function spawnerConfig(name: string, setting: SpawnerSetting): Record<string, unknown> {
  const { config, paths, cgroups, interpreters, agents, networks, nameServers } = setting;
  const bound = new Set([agents, ...config.readOnlyPaths, ...interpreters.flatMap((interpreter) => interpreter.paths)]);
  return {
    name,
    agents: paths.agentsSocket,
    store: paths.store,
    networks,
    nameServers,
    cgroups: [...cgroups],
    paths: [...bound],
    userNamespace: 'auto',
    seccomp: config.seccomp,
    supervisor: nativeFile('iluvatar-supervisor'),
  };
}

export function launcherCommand(name: string, setting: SpawnerSetting): SpawnerCommand {
  return {
    file: nativeFile('iluvatar-launcher'),
    args: ['--config', JSON.stringify(spawnerConfig(name, setting))],
    env: CONTAINER_ENVIRONMENT,
  };
}

export function zygoteCommand(name: string, python: Interpreter, setting: SpawnerSetting): SpawnerCommand {
  const zygote = {
    library: nativeFile('libiluvatar_cell.so'),
    spawner: spawnerConfig(name, setting),
    imports: setting.config.zygoteImports,
    path: [],
  };
  return {
    file: python.executable,
    // Isolated: neither the worker's PYTHON* variables nor a user's site-packages belong into every container.
    args: ['-I', `${setting.agents}/python/zygote.py`],
    env: { ...CONTAINER_ENVIRONMENT, ILUVATAR_ZYGOTE: JSON.stringify(zygote) },
  };
}

/** Shape of the cells a function starts from. Equal shapes share a pool. */
export function cellShape(
  fn: ProcessFunction,
  python: Interpreter | null,
  node: Interpreter | null,
  agents: string,
): CellShape {
  const { network, zygote, server } = fn.definition;
  if (server !== 'framed' || fn.runtime === 'binary') {
    return { argv: ['@assign'], env: CONTAINER_ENVIRONMENT, network, agentFirst: false };
  }
  if (fn.runtime === 'nodejs') {
    const argv = [(node as Interpreter).executable, `${agents}/node/agent.mjs`];
    return { argv, env: CONTAINER_ENVIRONMENT, network, agentFirst: true };
  }
  if (zygote) return { argv: null, env: {}, network, agentFirst: true };
  const argv = [(python as Interpreter).executable, '-B', `${agents}/python/agent.py`];
  return { argv, env: CONTAINER_ENVIRONMENT, network, agentFirst: true };
}
