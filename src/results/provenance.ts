import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { arch, cpus, hostname, release, totalmem, version } from 'node:os';
import { VERSION } from '../package-files.js';

/** Where numbers come from: without it nobody can say later what they are numbers of. */

export interface Versions {
  readonly iluvatar: string;
  readonly node: string;
  readonly kernel: string;
}

export interface MachineFacts {
  readonly hostname: string;
  readonly architecture: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryMb: number;
  /** Of the kernel's build. */
  readonly system: string;
  /** Of `cpufreq`; null = it has none. Figures of a core that changes its clock are another kind of figures. */
  readonly governor: string | null;
  readonly loadAverage: readonly number[];
}

export interface GitFacts {
  readonly commit: string;
  /** The tree has changes that are not in the commit. */
  readonly dirty: boolean;
}

export function versions(): Versions {
  return { iluvatar: VERSION, node: process.versions.node, kernel: release() };
}

export function machineFacts(): MachineFacts {
  const all = cpus();
  return {
    hostname: hostname(),
    architecture: arch(),
    cpu: all[0]?.model.trim() ?? '',
    cores: all.length,
    memoryMb: Math.floor(totalmem() / 2 ** 20),
    system: version(),
    governor: textOf('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor'),
    loadAverage: (textOf('/proc/loadavg') ?? '').split(' ').slice(0, 3).map(Number),
  };
}

/** Of the folder's repository; null = it is in none, or git is not there. */
export function gitFacts(folder: string): GitFacts | null {
  const git = (...args: string[]): string | null => {
    const { status, stdout } = spawnSync('git', ['-C', folder, ...args], { encoding: 'utf8', timeout: 5000 });
    return status === 0 ? stdout.trim() : null;
  };
  const commit = git('rev-parse', 'HEAD');
  if (commit === null) return null;
  return { commit, dirty: git('status', '--porcelain', '--untracked-files=no') !== '' };
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return null;
  }
}
