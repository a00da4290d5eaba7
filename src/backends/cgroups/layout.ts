import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WorkerConfig } from '../../config/schema.js';
import { type CgroupMount, native } from '../../native.js';

/**
 * Finds the cgroup hierarchies this worker can use (v1, v2, both, none) and makes its folder in each:
 * `<mount>/<parent>/<scope>`. What is missing becomes a sentence for people. Containers get one folder per hierarchy below it.
 */
export interface CgroupLayout {
  /** Absolute folders of this worker, one per hierarchy; empty = no cgroups. */
  readonly parents: readonly string[];
  /** Version of each. */
  readonly versions: readonly number[];
  /** Index of the hierarchy with the cpu controller; -1 = none. */
  readonly cpu: number;
  /** The same of the one in which CPU time is counted. */
  readonly cpuTime: number;
  /** The same of the memory controller. */
  readonly memoryIndex: number;
  readonly memory: boolean;
  readonly pids: boolean;
  /** Swap can be limited apart from memory. */
  readonly swapLimits: boolean;
  /** Where cores are set; null = nowhere. */
  readonly cpuset: CpusetPlace | null;
  readonly notes: readonly string[];
}

/** The hierarchy with the cpuset controller. Containers are in it from the start only where it is one of those in use. */
export interface CpusetPlace {
  /** Its index among `CgroupLayout.parents`; -1 = it is another one. */
  readonly index: number;
  readonly version: number;
  /** Folder of this worker there; made when it is first needed. */
  readonly parent: string;
}

/** `cpuacct` only measures, but a limit that nobody can check is worth little. */
const CONTROLLERS = ['memory', 'cpu', 'pids', 'cpuacct'] as const;

const NO_CGROUPS: Omit<CgroupLayout, 'notes'> = {
  parents: [],
  versions: [],
  cpu: -1,
  cpuTime: -1,
  memoryIndex: -1,
  memory: false,
  pids: false,
  swapLimits: false,
  cpuset: null,
};

export function prepareCgroups(config: WorkerConfig['cgroup'], scope: string): CgroupLayout {
  if (config.mode === 'none') return { ...NO_CGROUPS, notes: ['cgroups: switched off (cgroup.mode)'] };
  let mounts: CgroupMount[];
  try {
    mounts = native().cgroup.mounts();
  } catch (error) {
    return { ...NO_CGROUPS, notes: [`cgroups: cannot read the mounts: ${(error as Error).message}`] };
  }
  const parents: string[] = [];
  const versions: number[] = [];
  const notes: string[] = [];
  const found = new Set<string>();
  /** Controllers by the reason why they cannot be used. */
  const refused = new Map<string, string[]>();
  let cpu = -1;
  let cpuTime = -1;
  let memoryIndex = -1;
  for (const mount of mounts) {
    const wanted = mount.controllers.filter((name) => CONTROLLERS.includes(name as 'cpu') && !found.has(name));
    if (wanted.length === 0) continue;
    const folder = join(mount.path, config.parent, scope);
    try {
      if (mount.version === 2) prepareUnified(mount.path, [config.parent, scope], wanted);
      mkdirSync(folder, { recursive: true });
      // A folder can exist and still belong to somebody else: only making one below it shows that containers can be placed.
      const trial = join(folder, `.trial-${process.pid}`);
      mkdirSync(trial);
      rmdirSync(trial);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const reason = code === 'EACCES' || code === 'EPERM' ? 'only root may make them here' : message;
      refused.set(reason, [...(refused.get(reason) ?? []), ...wanted]);
      continue;
    }
    if (wanted.includes('cpu')) cpu = parents.length;
    // Version 2 counts it everywhere, whichever controllers there are.
    if (wanted.includes('cpuacct') || (mount.version === 2 && cpuTime === -1)) cpuTime = parents.length;
    if (wanted.includes('memory')) memoryIndex = parents.length;
    for (const name of wanted) found.add(name);
    parents.push(folder);
    versions.push(mount.version);
  }
  for (const [reason, names] of refused) notes.push(`cgroups: no limits through ${names.join(', ')}: ${reason}`);
  const meaning = { memory: 'memory limits', cpu: 'CPU limits', pids: 'process limits' } as const;
  for (const name of ['memory', 'cpu', 'pids'] as const) {
    if (!found.has(name) && !notes.some((note) => note.includes(name))) {
      notes.push(`cgroups: no "${name}" controller here, so no ${meaning[name]}`);
    }
  }
  return {
    parents,
    versions,
    cpu,
    cpuTime,
    memoryIndex,
    memory: memoryIndex !== -1,
    pids: found.has('pids'),
    swapLimits: SWAP_FILES.some((file) => existsSync(join(parents[memoryIndex] ?? '', file))),
    cpuset: parents.length === 0 ? null : cpusetPlace(mounts, parents, [config.parent, scope]),
    notes,
  };
}

/** In version 1 and 2; missing where the kernel does not count swap. */
const SWAP_FILES = ['memory.memsw.limit_in_bytes', 'memory.swap.max'];

function cpusetPlace(
  mounts: readonly CgroupMount[],
  parents: readonly string[],
  below: readonly string[],
): CpusetPlace | null {
  const mount = mounts.find(({ controllers }) => controllers.includes('cpuset'));
  if (mount === undefined) return null;
  const parent = join(mount.path, ...below);
  return { index: parents.indexOf(parent), version: mount.version, parent };
}

/** Every folder in which this worker's containers may have one, with its version. */
export function allParents(layout: CgroupLayout): { parents: string[]; versions: number[] } {
  const parents = [...layout.parents];
  const versions = [...layout.versions];
  const { cpuset } = layout;
  if (cpuset !== null && cpuset.index === -1) {
    parents.push(cpuset.parent);
    versions.push(cpuset.version);
  }
  return { parents, versions };
}

/** v2 hands a controller down one level at a time, through `cgroup.subtree_control` of every ancestor. */
function prepareUnified(mount: string, below: readonly string[], controllers: readonly string[]): void {
  const request = controllers
    .filter((name) => name !== 'cpuacct')
    .map((name) => `+${name}`)
    .join(' ');
  let folder = mount;
  for (const name of ['', ...below]) {
    folder = join(folder, name);
    mkdirSync(folder, { recursive: true });
    const file = join(folder, 'cgroup.subtree_control');
    const on = readFileSync(file, 'utf8').trim().split(/\s+/);
    if (controllers.every((wanted) => wanted === 'cpuacct' || on.includes(wanted))) continue;
    writeFileSync(file, request);
  }
}

/** Folders of one container, in the order of `CgroupLayout.parents`. */
export function cgroupDirs(layout: CgroupLayout, name: string): string[] {
  return layout.parents.map((parent) => join(parent, name));
}

/** Takes away the worker's own folders when nothing is in them; the shared parent goes with the last worker. */
export function removeCgroupParents(layout: CgroupLayout): void {
  for (const parent of allParents(layout).parents) {
    for (const folder of [parent, join(parent, '..')]) {
      try {
        if (existsSync(folder)) rmdirSync(folder);
      } catch {
        // Another worker's folder, or a process that has not ended yet: the next start sweeps it.
      }
    }
  }
}
