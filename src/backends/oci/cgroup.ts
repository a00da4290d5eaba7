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
