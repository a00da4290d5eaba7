import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { hierarchies } from '../../backends/cgroups/hierarchies.js';

/**
 * What a private daemon has on the machine beside its folder, and how that is taken away. It is found by the folder's name, in command lines, mounts and
 * cgroups, not by what somebody remembers: so it works for a daemon that was killed, too. Synchronous, for the moment in which a process exits.
 */

/** What daemons make outside of their folders, whatever they are told; innermost first. Only what is empty is removed. */
const STRAYS = [
  ...['/etc/docker/key.json', '/etc/docker', '/run/docker/plugins', '/run/docker'],
  ...['/run/containerd/s', '/run/containerd/fifo', '/run/containerd/runc/moby', '/run/containerd/runc'],
  ...['/run/containerd/io.containerd.runtime.v2.task', '/run/containerd'],
] as const;
const PATIENCE_MS = 5_000;
const PAUSE_MS = 25;

/** Of `STRAYS`, what is not there now: what a daemon that starts now may leave. */
export function absentStrays(): string[] {
  return STRAYS.filter((path) => !existsSync(path));
}

/**
 * Ends every process of the daemon in `folder` with what runs in its containers, and removes sockets, mounts, cgroups and the folder. Returns what could not be taken away, in words.
 * `strays`: what `absentStrays` said before it was started.
 */
export function removeRemains(folder: string, strays: readonly string[] = []): string[] {
  const sockets = shimSockets(folder);
  // A daemon may start another process while it is being ended.
  for (let round = 0; round < 3; round++) for (const pid of processesWith(folder)) endTree(pid);
  for (const socket of sockets) rmSync(socket, { force: true });
  for (const mount of mountsBelow(folder).reverse()) spawnSync('umount', ['--lazy', mount]);
  const cgroup = cgroupOf(folder);
  for (const path of cgroupsNamed(cgroup)) removeTree(path);
  for (const path of strays) removeStray(path);
  const left = remainsOf(folder);
  rmSync(folder, { recursive: true, force: true });
  return left;
}

/** What there still is of it, in words. */
export function remainsOf(folder: string): string[] {
  return [
    ...processesWith(folder).map((pid) => `process ${pid}`),
    ...mountsBelow(folder).map((path) => `mount ${path}`),
    ...cgroupsNamed(cgroupOf(folder)).map((path) => `cgroup ${path}`),
  ];
}

/** Name of the cgroup in which a daemon is to put its containers. */
export function cgroupOf(folder: string): string {
  return basename(folder);
}

/** Processes whose command names the folder: daemons, shims and what they start. */
function processesWith(folder: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && namesFolder(read(`/proc/${pid}/cmdline`), folder));
}

/** `/tmp/a-1` is not in `/tmp/a-12/x`. */
function namesFolder(command: string, folder: string): boolean {
  return `${command}\0`
    .split(folder)
    .slice(1)
    .some((rest) => /^[^A-Za-z0-9]/.test(rest));
}

/** A shim and the container in it. */
function endTree(pid: number): void {
  const children = read(`/proc/${pid}/task/${pid}/children`)
    .trim()
    .split(' ')
    .filter((text) => text !== '');
  for (const each of [...children.map(Number), pid]) {
    try {
      process.kill(each, 'SIGKILL');
    } catch {
      // Ended meanwhile.
    }
  }
  // Without a command line it is gone, or waits for its parent to look.
  const limit = Date.now() + PATIENCE_MS;
  while (read(`/proc/${pid}/cmdline`) !== '' && Date.now() < limit) pause();
}

/** Of containerd's shims, which lie in one folder of the machine whoever started them; a shim that was killed leaves its own. */
function shimSockets(folder: string): string[] {
  const states = [join(folder, 'state'), join(folder, 'containerd', 'state')];
  const tasks = states.map((state) => join(state, 'io.containerd.runtime.v2.task'));
  const namespaces = tasks.flatMap((path) => list(path).map((name) => join(path, name)));
  return namespaces
    .flatMap((path) => list(path).map((id) => read(join(path, id, 'address'))))
    .map((address) => address.replace(/^unix:\/\//, ''))
    .filter((path) => path.startsWith('/run/containerd/s/'));
}

function mountsBelow(folder: string): string[] {
  return read('/proc/self/mounts')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${folder}/`));
}

function cgroupsNamed(name: string): string[] {
  return hierarchies(read('/proc/self/mounts'))
    .map((path) => join(path, name))
    .filter((path) => existsSync(path));
}

/** Bounded patience: the kernel takes a moment for what was killed. */
function removeTree(cgroup: string): void {
  for (const entry of list(cgroup, true)) removeTree(join(cgroup, entry));
  const limit = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      rmdirSync(cgroup);
      return;
    } catch {
      if (!existsSync(cgroup) || Date.now() > limit) return;
      pause();
    }
  }
}

function removeStray(path: string): void {
  try {
    if (path.endsWith('.json')) rmSync(path, { force: true });
    else rmdirSync(path);
  } catch {
    // Not made, or in use by another.
  }
}

function list(folder: string, foldersOnly = false): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.filter((entry) => !foldersOnly || entry.isDirectory()).map(({ name }) => name);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
}
