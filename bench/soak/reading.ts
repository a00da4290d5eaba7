import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { native } from '../../src/native.js';
import { LinkNames } from '../../src/net/names.js';
import { processTree, residentMb, secondsBetween, threadTimes } from '../lib/processes.js';
import type { SoakWorker } from './soak-worker.js';

/** What a worker and the machine around it hold at one moment, as the kernel tells it: a worker that has lost track of something would not. */
export interface Reading {
  readonly 'CPU, % of a core': number;
  readonly 'RSS, MiB': number;
  readonly 'heap of the shard, MiB': number;
  readonly descriptors: number;
  readonly 'descriptors of all processes': number;
  readonly processes: number;
  readonly threads: number;
  readonly 'memory maps': number;
  readonly 'network namespaces': number;
  readonly mounts: number;
  readonly links: number;
  /** In all hierarchies; without those that are ready for the next ones, which are now more and now fewer. */
  readonly 'cgroups of containers': number;
  readonly 'shortest round trip, µs': number;
}

const MIB = 1024 * 1024;
const PINGS = 300;
const SHARD = 0;

/** `windowMs`: over which processor time is taken. */
export async function takeReading(worker: SoakWorker, windowMs: number): Promise<Reading> {
  const tree = processTree(worker.pid);
  const [begun, before] = [performance.now(), threadTimes(tree)];
  await pause(windowMs);
  const cpu = (100_000 * secondsBetween(before, threadTimes(tree))) / (performance.now() - begun);
  const roundTrip = await shortestRoundTrip(worker);
  // Last: what has just been done leaves garbage of its own.
  await worker.collect();
  const heap = /^nodejs_heap_used_bytes (\S+)$/m.exec(await worker.client.metrics());
  return {
    'CPU, % of a core': cpu,
    'RSS, MiB': residentMb(worker.pid),
    'heap of the shard, MiB': Number(heap?.[1]) / MIB,
    descriptors: entries(`/proc/${worker.pid}/fd`),
    'descriptors of all processes': sum(tree, (pid) => entries(`/proc/${pid}/fd`)),
    processes: tree.length,
    threads: entries(`/proc/${worker.pid}/task`),
    'memory maps': lines(`/proc/${worker.pid}/maps`),
    'network namespaces': namespaces(tree, worker),
    mounts: ownMounts(worker).length,
    links: ownLinks(worker),
    'cgroups of containers': await cgroups(worker),
    'shortest round trip, µs': roundTrip,
  };
}

/** The shortest of many tells what one turn of the shard costs; the others, what else the machine did. */
async function shortestRoundTrip({ client }: SoakWorker): Promise<number> {
  let shortest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < PINGS; i++) {
    const begun = performance.now();
    await client.ping();
    shortest = Math.min(shortest, (performance.now() - begun) * 1000);
  }
  return shortest;
}

/** Of the processes, and of those that are kept by a mount. */
function namespaces(tree: readonly number[], worker: SoakWorker): number {
  const found = new Set<string>();
  for (const pid of tree) found.add(link(`/proc/${pid}/ns/net`));
  found.delete('');
  return found.size + ownMounts(worker).filter((line) => line.includes(' - nsfs ')).length;
}

/** Other workers mount and unmount meanwhile: only what is in its folder, or carries its name, is its own. */
function ownMounts({ pid, folder, name }: SoakWorker): string[] {
  return text(`/proc/${pid}/mountinfo`)
    .split('\n')
    .filter((line) => line.includes(folder) || line.includes(name));
}

function ownLinks({ name, folder }: SoakWorker): number {
  const { prefix } = new LinkNames(`${name}\0${folder}\0${SHARD}`);
  return list('/sys/class/net').filter((link) => link.startsWith(prefix)).length;
}

async function cgroups({ client, name }: SoakWorker): Promise<number> {
  const roots = cgroupRoots(name);
  const ready = (await client.status()).counters['cgroupsReady'] ?? 0;
  return sum(roots, foldersBelow) - ready * roots.length;
}

/** Where the cgroups of its containers are, in each hierarchy; those of a container engine in a folder of its own, `<worker>.<engine>`. */
function cgroupRoots(worker: string): string[] {
  return native()
    .cgroup.mounts()
    .flatMap(({ path }) => {
      const parent = join(path, 'iluvatar');
      return list(parent)
        .filter((name) => name === worker || name.startsWith(`${worker}.`))
        .map((name) => join(parent, name));
    });
}

function foldersBelow(folder: string): number {
  try {
    return readdirSync(folder, { withFileTypes: true, recursive: true }).filter((entry) => entry.isDirectory()).length;
  } catch {
    // Removed while it was read.
    return 0;
  }
}

function sum<T>(all: readonly T[], of: (one: T) => number): number {
  return all.reduce((total, one) => total + of(one), 0);
}

function entries(folder: string): number {
  return list(folder).length;
}

function lines(path: string): number {
  return text(path).split('\n').length - 1;
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
