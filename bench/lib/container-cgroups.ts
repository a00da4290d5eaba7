import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { native } from '../../src/native.js';

/** A container's cgroup in the hierarchy that counts processor time: read from outside, as the kernel accounts it. */
export interface ContainerCgroup {
  readonly folder: string;
  readonly version: 1 | 2;
}

/** The cgroups of a worker's containers and stem cells, on all of its backends. Throws when nothing here counts processor time per cgroup. */
export function containerCgroups(worker: string): ContainerCgroup[] {
  for (const { version, controllers, path } of native().cgroup.mounts()) {
    if (!controllers.includes(version === 1 ? 'cpuacct' : 'cpu')) continue;
    // Those of a container engine are in a folder of its own, `<worker>.<engine>`.
    const folders = foldersOf(join(path, 'iluvatar')).filter(
      (name) => name === worker || name.startsWith(`${worker}.`),
    );
    if (folders.length === 0) continue;
    return folders.flatMap((scope) => {
      const parent = join(path, 'iluvatar', scope);
      return foldersOf(parent).map((name) => ({ folder: join(parent, name), version }));
    });
  }
  throw new Error(`no cgroup of worker ${worker} counts processor time: this bench needs cgroups and root`);
}

function foldersOf(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}

/** Processor time used in it so far; seconds. */
export function cpuSeconds({ folder, version }: ContainerCgroup): number {
  if (version === 1) return Number(readFileSync(join(folder, 'cpuacct.usage'), 'utf8')) / 1e9;
  return usageUs(readFileSync(join(folder, 'cpu.stat'), 'utf8')) / 1e6;
}

export function usageUs(cpuStat: string): number {
  return Number(/^usage_usec (\d+)$/m.exec(cpuStat)?.[1] ?? Number.NaN);
}

export function processesIn({ folder }: ContainerCgroup): number[] {
  return readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
}
