import { join } from 'node:path';
import { native } from '../../native.js';
import type { CgroupLayout } from './layout.js';
import { toCgroupLimits } from './limit-formats.js';
import type { ContainerLimits } from './limits.js';

/** A container's folders, one per hierarchy in use. Those that it joins later are put at the end. */
export interface ContainerCgroup {
  readonly name: string;
  readonly dirs: string[];
}

/** Sets limits in force on a container that exists. Throws when one cannot be set: a container without its limits must not run. */
export function applyLimits(
  layout: CgroupLayout,
  cgroup: ContainerCgroup,
  limits: ContainerLimits,
  ownPids: number,
): void {
  if (cgroup.dirs.length === 0) return;
  native().cgroup.setLimits(cgroup.dirs, layout.versions as number[], toCgroupLimits(limits, ownPids));
  if (limits.cpuset !== null) pinTo(layout, cgroup, limits.cpuset);
}

/**
 * Version 1 has a hierarchy of its own for cores. Containers are not in it from the start, since each folder there has to be prepared before anything can enter, and being in one
 * more hierarchy makes every start dearer; so those that want it move there now.
 */
function pinTo(layout: CgroupLayout, cgroup: ContainerCgroup, cpuset: string): void {
  const { cpuset: place } = layout;
  if (place === null) throw new Error('there is no "cpuset" controller here');
  const { setCpuset, pids, addProcess } = native().cgroup;
  const joined = cgroup.dirs[place.index];
  if (joined !== undefined) {
    setCpuset(joined, place.version, cpuset);
    return;
  }
  const dir = join(place.parent, cgroup.name);
  const members = cgroup.dirs.slice(0, 1);
  // First, so that whatever fails from here on, it is removed with the others.
  cgroup.dirs.push(dir);
  setCpuset(dir, place.version, cpuset);
  for (const pid of pids(members)) addProcess([dir], pid);
}
