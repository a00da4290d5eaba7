import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ContainerdWithClient } from '../support/containerd.js';
import { encode, type Field, type Message, number } from '../support/protobuf.js';

/** A private containerd, a root file system with one static program, cgroups, and the steps of a container through our shim. */

const run = promisify(execFile);
export const shim = fileURLToPath(new URL('../../build/Release/containerd-shim-iluvatar-v1', import.meta.url));
const inside = fileURLToPath(new URL('inside.c', import.meta.url));
const SPEC_TYPE = 'types.containerd.io/opencontainers/runtime-spec/1/Spec';
const SHIM_NAME = 'containerd-shim-iluvatar-v1';

export type Spec = Record<string, unknown> & {
  process: Record<string, unknown>;
  linux: Record<string, unknown>;
  annotations: Record<string, string>;
};

export interface Streams {
  readonly stdout?: string;
  readonly stderr?: string;
}

export class ShimWorld {
  readonly containerd = new ContainerdWithClient();
  readonly socket = join(this.containerd.folder, 'shim', 'group.sock');
  readonly root = join(this.containerd.folder, 'rootfs');
  readonly bound = join(this.containerd.folder, 'bound');
  readonly #group = `iluvatar-shim-${randomBytes(4).toString('hex')}`;
  readonly #hierarchies = hierarchies();
  #count = 0;

  async open(): Promise<void> {
    for (const folder of ['bin', 'proc', 'dev', 'tmp', 'sys']) mkdirSync(join(this.root, folder), { recursive: true });
    mkdirSync(join(this.containerd.folder, 'shim'));
    mkdirSync(this.bound);
    writeFileSync(join(this.bound, 'file'), 'of the host\n');
    // Writable for everybody, so that it is the mount that refuses.
    chmodSync(this.root, 0o777);
    chmodSync(join(this.bound, 'file'), 0o666);
    await run('gcc', ['-static', '-O1', '-o', join(this.root, 'bin', 'inside'), inside]);
    for (const hierarchy of this.#hierarchies) mkdirSync(join(hierarchy, this.#group));
    await this.containerd.start();
  }

  /** Ends the daemon too, by its pid, if a test has left it something to do. */
  async close(): Promise<void> {
    for (const pid of this.pids(`${SHIM_NAME}.* serve`)) process.kill(pid, 'SIGKILL');
    // containerd cleans up what is left of each container, which takes it a moment.
    await until(() => this.pids('inside').length === 0, 'the containers to end').catch(() => {
      for (const pid of this.pids('inside')) process.kill(pid, 'SIGKILL');
    });
    await this.containerd.remove();
    for (const hierarchy of this.#hierarchies) {
      const group = join(hierarchy, this.#group);
      for (const entry of readdirSync(group, { withFileTypes: true })) {
        if (entry.isDirectory()) await removeGroup(join(group, entry.name));
      }
      await removeGroup(group);
    }
  }

  /** Makes the container's cgroups and a specification; `args` as given to the test's program. */
  spec(args: string[], change: (spec: Spec) => void = () => {}): { id: string; spec: Spec } {
    const id = `c${++this.#count}`;
    for (const hierarchy of this.#hierarchies) mkdirSync(join(hierarchy, this.#group, id));
    const spec: Spec = {
      ociVersion: '1.0.2',
      process: {
        user: { uid: 1234, gid: 2345, additionalGids: [3456] },
        args: ['inside', ...args],
        env: ['PATH=/bin', 'X=y'],
        cwd: '/',
        noNewPrivileges: true,
        capabilities: { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] },
        rlimits: [{ type: 'RLIMIT_NOFILE', soft: 100, hard: 200 }],
      },
      root: { path: this.root, readonly: true },
      hostname: 'within',
      mounts: [
        { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
        { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=64k'] },
        { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['newinstance', 'ptmxmode=0666'] },
        { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
        { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
        { destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=1777', 'size=1m'] },
        { destination: '/bound', type: 'bind', source: this.bound, options: ['rbind', 'ro'] },
      ],
      annotations: { 'dev.iluvatar.shim': this.socket },
      linux: {
        cgroupsPath: `/${this.#group}/${id}`,
        namespaces: ['pid', 'ipc', 'uts', 'mount', 'network'].map((type) => ({ type })),
        maskedPaths: ['/proc/keys', '/sys/firmware'],
        readonlyPaths: ['/proc/sys'],
      },
    };
    change(spec);
    return { id, spec };
  }

  /** Up to a process that is held before it executes its program. Resolves with its pid. */
  async create({ id, spec }: { id: string; spec: Spec }, streams: Streams = {}, rootfs: Field[] = []): Promise<number> {
    const any = encode([
      [1, SPEC_TYPE],
      [2, JSON.stringify(spec)],
    ]);
    const container = encode([
      [1, id],
      [4, encode([[1, shim]])],
      [5, any],
    ]);
    await this.containerd.call('containerd.services.containers.v1.Containers', 'Create', [[1, container]]);
    const fields: Field[] = [[1, id], ...rootfs];
    if (streams.stdout !== undefined) fields.push([5, streams.stdout]);
    if (streams.stderr !== undefined) fields.push([6, streams.stderr]);
    return number(await this.task('Create', fields), 2);
  }

  task(method: string, fields: Field[]): Promise<Message> {
    return this.containerd.call('containerd.services.tasks.v1.Tasks', method, fields);
  }

  async start(id: string): Promise<void> {
    await this.task('Start', [[1, id]]);
  }

  async kill(id: string, signal: number): Promise<void> {
    await this.task('Kill', [
      [1, id],
      [3, signal],
    ]);
  }

  /** Exit status. */
  async wait(id: string): Promise<number> {
    return number(await this.task('Wait', [[1, id]]), 1);
  }

  async delete(id: string): Promise<void> {
    await this.task('Delete', [[1, id]]);
    await this.containerd.call('containerd.services.containers.v1.Containers', 'Delete', [[1, id]]);
  }

  /** The whole life of one that ends by itself; its exit status. */
  async run(args: string[], streams: Streams = {}, change?: (spec: Spec) => void): Promise<number> {
    const made = this.spec(args, change);
    await this.create(made, streams);
    await this.start(made.id);
    const status = await this.wait(made.id);
    await this.delete(made.id);
    return status;
  }

  /** What a container wrote to its standard output. */
  async output(args: string[], change?: (spec: Spec) => void): Promise<string> {
    const file = join(this.containerd.folder, `out-${this.#count}`);
    await this.run(args, { stdout: `file://${file}`, stderr: `file://${file}` }, change);
    return readFileSync(file, 'utf8');
  }

  /** Pid of the group's daemon; 0 = none. */
  get daemon(): number {
    // A container that was made and not started still has the daemon's command line, and a lower number once numbers have begun anew.
    const all = this.pids(`${SHIM_NAME}.* serve`);
    return all.find((pid) => !all.includes(parentOf(pid))) ?? 0;
  }

  /** Processes with a command like this that belong to this world: by its folder in the command line, or by its cgroups. */
  pids(command: string): number[] {
    const pattern = new RegExp(command);
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => {
        const line = read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ');
        const ours = line.includes(this.containerd.folder) || read(`/proc/${pid}/cgroup`).includes(this.#group);
        return ours && pattern.test(line);
      })
      .map(Number);
  }

  /** What the host sees mounted of this world. */
  mounts(): string[] {
    return read('/proc/self/mounts')
      .split('\n')
      .filter((line) => line.includes(this.containerd.folder));
  }

  bundle(id: string): string {
    return join(this.containerd.folder, 'state', 'io.containerd.runtime.v2.task', this.containerd.namespace, id);
  }

  groupOf(id: string): string {
    return `/${this.#group}/${id}`;
  }
}

export function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Children of a process that have ended and were not waited for. */
export function zombies(parent: number): number {
  return readdirSync('/proc').filter((pid) => {
    const status = /^\d+$/.test(pid) ? read(`/proc/${pid}/status`) : '';
    return /^State:\s+Z/m.test(status) && new RegExp(`^PPid:\\s+${parent}$`, 'm').test(status);
  }).length;
}

export async function until(holds: () => boolean, what: string, limitMs = 15_000): Promise<void> {
  const started = Date.now();
  while (!holds()) {
    if (Date.now() - started > limitMs) throw new Error(`waited ${limitMs} ms for ${what}`);
    await sleep(20);
  }
}

export function namespaceOf(pid: number | 'self', kind: string): string {
  return readlinkSync(`/proc/${pid}/ns/${kind}`);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function hierarchies(): string[] {
  return read('/proc/self/mounts')
    .split('\n')
    .filter((line) => /^\S+ \S+ (cgroup2|cgroup) \S*(\bmemory\b|\bpids\b|\bcpu\b)/.test(line) || / cgroup2 /.test(line))
    .map((line) => line.split(' ')[1] as string);
}

/** The kernel lets go of a group some moments after its last process. */
async function removeGroup(path: string): Promise<void> {
  await until(() => {
    try {
      rmdirSync(path);
    } catch {
      return !existsSync(path);
    }
    return true;
  }, `${path} to be removed`);
}

/** 0 = it is gone. */
function parentOf(pid: number): number {
  return Number(/^PPid:\s*(\d+)$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);
}
