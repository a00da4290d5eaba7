import { readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CgroupMemory, native } from '../../native.js';
import { unpackArchive } from './archive.js';
import { importSource } from './source.js';

/**
 * The blocking work of the backend, run by the life-cycle pool. Each task is a batch: a hop to another thread costs more than most single
 * operations. Requests and results are plain data.
 */

export interface CgroupGroup {
  readonly dirs: string[];
  readonly versions: number[];
}

/** Makes each group of folders; null = made, else why not. */
function createCgroups(request: { groups: string[][] }): (string | null)[] {
  return request.groups.map((dirs) => {
    try {
      native().cgroup.create(dirs);
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  });
}

/**
 * Waits until each group is empty and removes it. What still lives after `graceMs` is killed; false = still there after `limitMs`.
 */
async function removeCgroups(request: { groups: CgroupGroup[]; graceMs: number; limitMs: number }): Promise<boolean[]> {
  const done = request.groups.map(() => false);
  const started = Date.now();
  let pause = 1;
  for (;;) {
    let left = 0;
    for (const [index, group] of request.groups.entries()) {
      if (done[index]) continue;
      done[index] = removeGroup(group.dirs);
      if (!done[index]) left++;
    }
    const waited = Date.now() - started;
    if (left === 0 || waited > request.limitMs) return done;
    if (waited >= request.graceMs) {
      // Each time round: what forks quickly enough can slip through one pass.
      for (const [index, group] of request.groups.entries()) {
        if (!done[index]) native().cgroup.killAll(group.dirs, group.versions);
      }
    }
    await sleep(pause);
    pause = Math.min(pause * 2, 20);
  }
}

function removeGroup(dirs: string[]): boolean {
  try {
    return native().cgroup.remove(dirs);
  } catch {
    // A folder that cannot be removed now (a controller still lets go of it) is tried again by the caller's loop.
    return false;
  }
}

/** Memory of each group; zeros = could not be read. */
function cgroupMemory(request: { groups: CgroupGroup[] }): CgroupMemory[] {
  return request.groups.map((group) => {
    try {
      return native().cgroup.memory(group.dirs, group.versions);
    } catch {
      return { usedBytes: 0, cacheBytes: 0 };
    }
  });
}

/** Proportional memory of processes; bytes, 0 = gone. For zygotes, and for containers where there is no memory cgroup. */
function processMemoryBytes(request: { pids: number[] }): number[] {
  return request.pids.map((pid) => {
    try {
      const match = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
      return match === null ? 0 : Number(match[1]) * 1024;
    } catch {
      return 0;
    }
  });
}

/** Waits until none of these processes exists; after `graceMs` they are killed. */
async function awaitProcesses(request: { pids: number[]; graceMs: number; limitMs: number }): Promise<boolean[]> {
  const started = Date.now();
  let killed = false;
  for (let pause = 1; ; pause = Math.min(pause * 2, 20)) {
    const gone = request.pids.map((pid) => !alive(pid));
    const waited = Date.now() - started;
    if (gone.every(Boolean) || waited > request.limitMs) return gone;
    if (!killed && waited >= request.graceMs) {
      killed = true;
      for (const [index, pid] of request.pids.entries()) if (!gone[index]) native().system.kill(pid, 9);
    }
    await sleep(pause);
  }
}

function alive(pid: number): boolean {
  try {
    // Field 3 of stat: a zombie waits for its parent and holds nothing.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat[stat.lastIndexOf(')') + 2] !== 'Z';
  } catch {
    return false;
  }
}

/**
 * Removes what an earlier run left: containers' cgroups (with the processes in them) and half-made folders. `keep` names live containers.
 */
async function sweep(request: {
  parents: string[];
  versions: number[];
  keep: string[];
  folders: string[];
}): Promise<string[]> {
  const keep = new Set(request.keep);
  const names = new Set<string>();
  for (const parent of request.parents) {
    for (const entry of entries(parent)) if (!keep.has(entry)) names.add(entry);
  }
  const removed: string[] = [];
  const groups = [...names].map((name) => ({
    dirs: request.parents.map((parent) => join(parent, name)),
    versions: request.versions,
  }));
  const gone = await removeCgroups({ groups, graceMs: 0, limitMs: 5_000 });
  for (const [index, name] of [...names].entries()) if (gone[index]) removed.push(`cgroup ${name}`);
  for (const folder of request.folders) {
    for (const entry of entries(folder, true)) {
      if (keep.has(entry)) continue;
      await rm(join(folder, entry), { recursive: true, force: true });
      removed.push(`folder ${join(folder, entry)}`);
    }
  }
  return removed;
}

function entries(folder: string, files = false): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => files || entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}

async function removeFolders(request: { folders: string[] }): Promise<void> {
  for (const folder of request.folders) await rm(folder, { recursive: true, force: true });
}

export const processTasks = {
  createCgroups,
  removeCgroups,
  cgroupMemory,
  processMemoryBytes,
  awaitProcesses,
  sweep,
  removeFolders,
  importSource,
  unpackArchive,
};
