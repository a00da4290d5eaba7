import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { end, endTree, eventually, hasEnded, mountsBelow, processesWith, read, shimSockets } from './daemon-process.js';

/**
 * A Docker daemon for one test file, with a containerd, folders, a socket and a cgroup of its own; it touches no firewall and has no default bridge. `close` takes down whatever is
 * left of it, also what its containers left when it was killed.
 */
export interface DockerDaemonOptions {
  /** Containers outlive the daemon. */
  readonly liveRestore?: boolean;
}

/** Innermost first. Of one that a daemon running beside this one made, nothing is missed by it once it is up. */
const STRAYS = ['/etc/docker/key.json', '/etc/docker', '/run/docker/plugins', '/run/docker'] as const;
const START_LIMIT_MS = 30_000;

export class DockerDaemon {
  readonly folder: string;
  readonly socket: string;
  /** Cgroup of containers that name no parent, in every hierarchy. */
  readonly cgroup: string;
  readonly #liveRestore: boolean;
  /** What dockerd makes outside its folders, whatever it is told, and what was not there before it. */
  readonly #strays: readonly string[];
  #containerd: ChildProcess | null = null;
  #dockerd: ChildProcess | null = null;

  private constructor({ liveRestore = false }: DockerDaemonOptions) {
    this.#liveRestore = liveRestore;
    this.folder = mkdtempSync(join(tmpdir(), 'iluvatar-docker-'));
    this.socket = join(this.folder, 'docker.sock');
    this.#strays = STRAYS.filter((path) => !existsSync(path));
    this.cgroup = `iluvatar-docker-${process.pid}-${randomBytes(4).toString('hex')}`;
  }

  static async start(options: DockerDaemonOptions = {}): Promise<DockerDaemon> {
    const daemon = new DockerDaemon(options);
    try {
      await daemon.#startContainerd();
      await daemon.startDockerd();
    } catch (error) {
      await daemon.close();
      throw error;
    }
    return daemon;
  }

  get pid(): number {
    return this.#dockerd?.pid ?? 0;
  }

  /** After `kill`, or anew. */
  async startDockerd(): Promise<void> {
    const { folder } = this;
    const config = join(folder, 'daemon.json');
    // Empty: the machine's own must not be read.
    writeFileSync(config, '{}');
    // A daemon that was killed leaves the number of its process, which may be somebody's by now.
    rmSync(join(folder, 'docker.pid'), { force: true });
    this.#dockerd = this.#spawn('dockerd', [
      ...['--config-file', config, '--host', `unix://${this.socket}`, '--pidfile', join(folder, 'docker.pid')],
      ...['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')],
      ...['--containerd', this.#containerdSocket, '--cgroup-parent', `/${this.cgroup}`],
      ...['--iptables=false', '--ip6tables=false', '--ip-masq=false', '--bridge=none'],
      ...['--storage-driver', overlayWorks(folder) ? 'overlay2' : 'vfs'],
      ...(this.#liveRestore ? ['--live-restore'] : []),
    ]);
    await this.#answers(this.#dockerd, () => ping(this.socket));
  }

  /** As a crash: at once, and nothing is told to anybody. */
  async kill(): Promise<void> {
    await end(this.#dockerd, 'SIGKILL');
    this.#dockerd = null;
  }

  /** As a service is stopped. */
  async terminate(): Promise<void> {
    await end(this.#dockerd, 'SIGTERM');
    this.#dockerd = null;
  }

  /** Ends all of it. Throws an Error that names what could not be taken away. */
  async close(): Promise<void> {
    await this.terminate();
    const sockets = shimSockets(join(this.folder, 'containerd', 'state'));
    for (let round = 0; round < 3; round++) {
      const shims = processesWith(this.folder).filter((pid) => pid !== this.#containerd?.pid);
      for (const pid of shims) await endTree(pid);
    }
    // A shim that was killed leaves it; all of this machine's shims have theirs in one folder.
    for (const socket of sockets) rmSync(socket, { force: true });
    await end(this.#containerd, 'SIGTERM');
    this.#containerd = null;
    await eventually(() => processesWith(this.folder).length === 0);
    for (const mount of mountsBelow(this.folder).reverse()) spawnSync('umount', ['--lazy', mount]);
    removeCgroups(this.cgroup);
    for (const path of this.#strays) removeStray(path);
    const left = this.leftovers();
    rmSync(this.folder, { recursive: true, force: true });
    if (left.length > 0) throw new Error(`the Docker daemon of a test left ${left.join(', ')}`);
  }

  /** What there still is of it on the machine. */
  leftovers(): string[] {
    return [
      ...processesWith(this.folder).map((pid) => `process ${pid}`),
      ...mountsBelow(this.folder).map((path) => `mount ${path}`),
      ...cgroupsOf(this.cgroup).map((path) => `cgroup ${path}`),
    ];
  }

  get #containerdSocket(): string {
    return join(this.folder, 'containerd.sock');
  }

  async #startContainerd(): Promise<void> {
    const { folder } = this;
    mkdirSync(join(folder, 'containerd'));
    const config = join(folder, 'containerd.toml');
    writeFileSync(
      config,
      `version = 2
root = "${folder}/containerd/root"
state = "${folder}/containerd/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
  address = "${this.#containerdSocket}"
`,
    );
    this.#containerd = this.#spawn('containerd', ['--config', config]);
    await this.#answers(this.#containerd, () => Promise.resolve(existsSync(this.#containerdSocket)));
  }

  #spawn(program: string, args: readonly string[]): ChildProcess {
    const log = openSync(join(this.folder, `${program}.log`), 'a');
    // Where it would otherwise put what has no option: fifos, a containerd's address.
    const child = spawn(program, args, { stdio: ['ignore', log, log], cwd: this.folder, detached: true });
    closeSync(log);
    child.once('error', () => {});
    return child;
  }

  async #answers(child: ChildProcess, question: () => Promise<boolean>): Promise<void> {
    const ends = Date.now() + START_LIMIT_MS;
    while (!(await question())) {
      if (hasEnded(child) || Date.now() > ends) {
        const name = child.spawnfile;
        const log = readFileSync(join(this.folder, `${name}.log`), 'utf8')
          .trim()
          .split('\n')
          .slice(-8)
          .join('\n');
        throw new Error(`${name} did not start:\n${log}`);
      }
      await sleep(25);
    }
  }
}

function ping(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const sent = request({ socketPath, path: '/_ping', timeout: 1_000, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    sent.on('error', () => resolve(false));
    sent.on('timeout', () => sent.destroy());
    sent.end();
  });
}

function removeStray(path: string): void {
  try {
    if (path.endsWith('.json')) rmSync(path, { force: true });
    else rmdirSync(path);
  } catch {
    // Not made, or in use by another.
  }
}

function cgroupMounts(): string[] {
  return read('/proc/self/mounts')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , type]) => type === 'cgroup' || type === 'cgroup2')
    .map(([, path = '']) => path);
}

function cgroupsOf(name: string): string[] {
  return cgroupMounts()
    .map((mount) => join(mount, name))
    .filter((path) => existsSync(path));
}

function removeCgroups(name: string): void {
  const removeTree = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) removeTree(join(folder, entry.name));
    }
    rmdirSync(folder);
  };
  for (const path of cgroupsOf(name)) {
    try {
      removeTree(path);
    } catch {
      // Named by `leftovers`.
    }
  }
}

/** overlayfs on what is itself an overlay is refused by the kernel. */
function overlayWorks(folder: string): boolean {
  const parts = ['lower', 'upper', 'work', 'merged'].map((name) => join(folder, 'trial', name));
  for (const part of parts) mkdirSync(part, { recursive: true });
  const [lower, upper, work, merged] = parts as [string, string, string, string];
  const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  const mounted = spawnSync('mount', ['-t', 'overlay', 'overlay', '-o', options, merged]).status === 0;
  if (mounted) spawnSync('umount', [merged]);
  rmSync(join(folder, 'trial'), { recursive: true, force: true });
  return mounted;
}
