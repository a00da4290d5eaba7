import type { WorkerConfig } from '../config/schema.js';
import { CgroupLeftovers } from './cgroups/leftovers.js';
import { containerdLeftovers } from './containerd/leftovers.js';
import { dockerLeftovers } from './docker/leftovers.js';
import type { BackendLog } from './log.js';

/**
 * Things of one kind that a worker which does not run has left. They are found where they would be, by its name and its data folder; nothing is made or started to find
 * them. Not promised: that what is listed is still there when it is removed, or is all that there will be while the worker may run.
 */
export interface Leftovers {
  /** One each, for people: `cgroup worker/c12`. Rejects with an IluvatarError when nobody can be asked. */
  list(): Promise<readonly string[]>;
  /** All that `list` would name now. Idempotent, and safe to be cut short at any point. */
  remove(): Promise<void>;
}

/** What runs, in the order in which it is to be removed. Of backends that are not enabled there is nothing. */
export function backendLeftovers(config: WorkerConfig, log: BackendLog): Leftovers[] {
  const { backends, cgroup } = config;
  const leftovers: Leftovers[] = [];
  if (backends.containerd.enabled) leftovers.push(containerdLeftovers(config, log));
  if (backends.docker.enabled) leftovers.push(...dockerLeftovers(config, log));
  for (const scope of lockedScopes(config)) leftovers.push(new CgroupLeftovers(cgroup.parent, scope));
  return leftovers;
}

/** Under which a worker's backends lock themselves against another of its name (`assertAlone`). */
export function lockedScopes({ name, backends }: WorkerConfig): string[] {
  const engines = (['containerd', 'docker'] as const).filter((engine) => backends[engine].enabled);
  return [name, ...engines.map((engine) => `${name}.${engine}`)];
}
