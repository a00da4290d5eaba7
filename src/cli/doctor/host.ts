import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { availableParallelism, release, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { type NativeAddon, native } from '../../native.js';
import { type Finding, finding, type Verdict } from './finding.js';

/** The machine itself: platform, kernel, Node, the addon, open files, and the folder of the worker. */

const GROUP = 'machine';
/** Below it a busy worker runs out: each container takes three descriptors, each client one. */
const COMFORTABLE_FILES = 8192;

export function hostFindings(dataDir: string): Finding[] {
  return [
    finding(GROUP, 'platform', 'everything', platform()),
    finding(GROUP, 'kernel', 'cheap sandboxes (clone3, pidfd, the new mount calls)', kernel()),
    finding(GROUP, 'user', 'cgroup limits, uids of their own for containers', user()),
    finding(GROUP, 'node', 'runs the worker', node()),
    finding(GROUP, 'native addon', 'transport, sandbox, cgroups', addonVerdict()),
    finding(GROUP, 'cpu and memory', 'the budget for functions', {
      state: 'ok',
      found: `${availableParallelism()} CPUs, ${Math.round(totalmem() / 1024 / 1024)} MiB`,
    }),
    finding(GROUP, 'open files', 'many containers and clients at once', openFiles()),
    finding(GROUP, 'data folder', 'layers, state, socket and logs', dataFolder(dataDir)),
  ];
}

/** Null when it cannot be loaded. */
export function loadAddon(): NativeAddon | null {
  try {
    return native();
  } catch {
    return null;
  }
}

function platform(): Verdict {
  const found = `${process.platform} ${process.arch}`;
  if (process.platform === 'linux') return { state: 'ok', found };
  return { state: 'missing', required: true, found, advice: 'the worker runs on Linux only' };
}

function kernel(): Verdict {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  if (major > 5 || (major === 5 && minor >= 12)) return { state: 'ok', found: release() };
  return {
    state: 'warn',
    found: release(),
    advice: 'Linux 5.12 or later has every call that is used; older ones are worked around',
  };
}

function user(): Verdict {
  const uid = process.getuid?.() ?? -1;
  if (uid === 0) return { state: 'ok', found: 'root' };
  return {
    state: 'warn',
    found: `uid ${uid}`,
    advice: 'run the worker as root for memory, CPU and process limits; without it, containers share your uid',
  };
}

function node(): Verdict {
  const found = `${process.version} (${process.execPath})`;
  if (Number(process.versions.node.split('.')[0]) >= 20) return { state: 'ok', found };
  return { state: 'missing', required: true, found, advice: 'install Node 20 or later: https://nodejs.org' };
}

function addonVerdict(): Verdict {
  try {
    native();
    return { state: 'ok', found: 'loaded' };
  } catch (error) {
    const cause = (error as Error).cause as Error | undefined;
    return {
      state: 'missing',
      required: true,
      found: (cause?.message ?? (error as Error).message).split('\n')[0] as string,
      advice: 'npm run build:native',
    };
  }
}

function openFiles(): Verdict {
  const match = /^Max open files\s+(\S+)\s+(\S+)/m.exec(readText('/proc/self/limits'));
  if (match === null) return { state: 'warn', found: 'unknown', advice: 'is /proc mounted?' };
  const [, soft, hard] = match as unknown as [string, string, string];
  // The worker raises its own soft limit, so only the hard one holds it back.
  const limit = hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard);
  const found = `${hard} (${soft} until raised)`;
  if (limit >= COMFORTABLE_FILES) return { state: 'ok', found };
  return { state: 'warn', found, advice: 'raise it: "ulimit -Hn 65536", or LimitNOFILE= in a systemd unit' };
}

function dataFolder(dataDir: string): Verdict {
  let folder = dataDir;
  while (!existsSync(folder) && folder !== dirname(folder)) folder = dirname(folder);
  try {
    if (!statSync(folder).isDirectory()) throw new Error('not a folder');
    accessSync(folder, constants.W_OK | constants.X_OK);
    return { state: 'ok', found: folder === dataDir ? dataDir : `${dataDir} (will be made)` };
  } catch {
    return {
      state: 'missing',
      required: true,
      found: `${folder} is no folder that can be written to`,
      advice: 'set dataDir to a folder of yours',
    };
  }
}

export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
