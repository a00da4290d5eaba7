import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { IluvatarError } from '../../core/errors.js';
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
