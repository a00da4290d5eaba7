import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { FunctionDefinition } from '../../config/api.js';
import type { WorkerConfig } from '../../config/schema.js';
import { IluvatarError } from '../../core/errors.js';
import { native } from '../../native.js';
import { type CgroupLayout, writeCpuShares } from '../cgroups/layout.js';
import type { Cgroup, CgroupPool } from '../cgroups/pool.js';

/** A ready one of the pool, as a promise. */
export function takeCgroup(pool: CgroupPool): Promise<Cgroup> {
  return new Promise((resolve, reject) => {
    pool.take((taken, failure) => {
      if (taken !== null) resolve(taken);
      else reject(new IluvatarError('start_failed', `no cgroup: ${failure}`));
    });
  });
}

/** Throws when a limit cannot be set: a container without its limits must not run. */
export function limitCgroup(
  cgroup: Cgroup,
  layout: CgroupLayout,
  cpuEnforce: WorkerConfig['cpu']['enforce'],
  { memoryMb, cpus, pids }: FunctionDefinition,
): void {
  if (cgroup.dirs.length === 0) return;
  native().cgroup.setLimits(cgroup.dirs, layout.versions as number[], {
    memoryBytes: layout.memory ? memoryMb * 1_048_576 : null,
    cpus: layout.cpu !== -1 && cpuEnforce === 'quota' ? cpus : null,
    pids: layout.pids ? pids : null,
  });
  if (cpuEnforce === 'shares') writeCpuShares(layout, cgroup.dirs, cpus);
}

/** With the cgroups that an engine has put below (Docker puts its own): processes are in those. */
export function withChildren(
  dirs: readonly string[],
  versions: readonly number[],
): { dirs: string[]; versions: number[] } {
  const all = { dirs: [...dirs], versions: [...versions] };
  for (const [i, dir] of dirs.entries()) {
    for (const entry of readdirSync(dir, { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      all.dirs.push(join(dir, entry.name));
      all.versions.push(versions[i] as number);
    }
  }
  return all;
}
