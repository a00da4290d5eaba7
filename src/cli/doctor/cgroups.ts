import { accessSync, constants, existsSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { unescapePath } from '../../backends/cgroups/hierarchies.js';
import type { WorkerConfig } from '../../config/schema.js';
import { type Finding, finding, type Verdict } from './finding.js';
import { readText } from './host.js';

/** What the kernel's cgroups allow here: which hierarchies, which limits, and how dear it is to move a process into one. */

export interface CgroupHierarchy {
  readonly version: 1 | 2;
  readonly path: string;
  readonly controllers: readonly string[];
  readonly options: readonly string[];
}

const GROUP = 'cgroups';

const LIMITS = [
  ['memory', 'a hard memory limit per container; out_of_memory is told from a crash'],
  ['cpu', 'a CPU quota per container'],
  ['pids', 'a limit on processes, so that a fork bomb stays in its container'],
] as const;

export function cgroupFindings(config: WorkerConfig['cgroup']): Finding[] {
  const hierarchies = parseMountInfo(readText('/proc/self/mountinfo'), (path) =>
    readText(join(path, 'cgroup.controllers')),
  );
  if (config.mode === 'none') {
    return [
      finding(GROUP, 'cgroups', 'limits per container', {
        state: 'warn',
        found: 'switched off by cgroup.mode',
        advice: 'set cgroup.mode to auto',
      }),
    ];
  }
  return [
    finding(GROUP, 'layout', 'limits per container', layout(hierarchies)),
    ...LIMITS.map(([controller, gives]) =>
      finding(GROUP, controller, gives, limit(hierarchies, controller, config.parent)),
    ),
    finding(
      GROUP,
      'favordynmods',
      'moves into a cgroup take 0.4 ms, not 9 ms: cold starts',
      dynmods(hierarchies, config),
    ),
  ];
}

/** The cgroup mounts of /proc/self/mountinfo. `controllersOf` reads what a v2 hierarchy offers. */
export function parseMountInfo(text: string, controllersOf: (path: string) => string): CgroupHierarchy[] {
  const found: CgroupHierarchy[] = [];
  for (const line of text.split('\n')) {
    // id parent major:minor root MOUNTPOINT options [optional fields] - TYPE source SUPER-OPTIONS
    const [left = '', right = ''] = line.split(' - ', 2);
    const [type = '', , superOptions = ''] = right.split(' ');
    const path = unescapePath(left.split(' ')[4] ?? '');
    const options = superOptions.split(',');
    if (type === 'cgroup2') {
      found.push({ version: 2, path, controllers: controllersOf(path).trim().split(/\s+/).filter(Boolean), options });
    } else if (type === 'cgroup') {
      const controllers = options.filter((option) => !NOT_CONTROLLERS.has(option) && !option.includes('='));
      found.push({ version: 1, path, controllers, options });
    }
  }
  return found;
}

const NOT_CONTROLLERS = new Set([
  'rw',
  'ro',
  'noprefix',
  'clone_children',
  'xattr',
  'favordynmods',
  'cpuset_v2_mode',
  'none',
  '',
]);

function layout(hierarchies: readonly CgroupHierarchy[]): Verdict {
  const versions = new Set(hierarchies.map(({ version }) => version));
  const v1 = hierarchies.filter(({ version, controllers }) => version === 1 && controllers.length > 0);
  if (versions.size === 0) {
    return {
      state: 'missing',
      found: 'not mounted',
      advice: 'mount them, or give the container you run in a writable /sys/fs/cgroup',
    };
  }
  if (v1.length === 0) return { state: 'ok', found: 'v2' };
  return { state: 'ok', found: versions.has(2) ? 'hybrid (v1 controllers, v2 beside them)' : 'v1' };
}

function limit(hierarchies: readonly CgroupHierarchy[], controller: string, parent: string): Verdict {
  const hierarchy = hierarchies.find(({ controllers }) => controllers.includes(controller));
  if (hierarchy === undefined) {
    return {
      state: 'missing',
      found: 'no such controller',
      advice: `boot a kernel with it, or have it handed down to this container`,
    };
  }
  const own = join(hierarchy.path, parent);
  const folder = existsSync(own) ? own : hierarchy.path;
  try {
    accessSync(folder, constants.W_OK);
    return { state: 'ok', found: `v${hierarchy.version} at ${hierarchy.path}` };
  } catch {
    return {
      state: 'warn',
      found: `v${hierarchy.version} at ${hierarchy.path}, but ${folder} is not writable`,
      advice: 'run the worker as root, or have the folder handed to your uid',
    };
  }
}

function dynmods(hierarchies: readonly CgroupHierarchy[], config: WorkerConfig['cgroup']): Verdict {
  // The kernel counts the hierarchies that ask for it, whichever they are: one is enough for all.
  const asking = hierarchies.find(({ options }) => options.includes('favordynmods'));
  if (asking !== undefined) return { state: 'ok', found: `in force, through ${asking.path}` };
  const [major = 0, minor = 0] = release().split('.').map(Number);
  if (major < 6)
    return {
      state: 'warn',
      found: `Linux ${major}.${minor} has no such option`,
      advice: 'Linux 6.0 or later; stem cells cover for it',
    };
  if (config.favorDynmods === 'off') {
    return { state: 'warn', found: 'switched off by cgroup.favorDynmods', advice: 'set cgroup.favorDynmods to auto' };
  }
  if (process.getuid?.() === 0) return { state: 'ok', found: 'not in force; a worker started here asks for it' };
  return {
    state: 'warn',
    found: 'not in force',
    advice: 'a worker running as root asks for it; stem cells cover for it',
  };
}
