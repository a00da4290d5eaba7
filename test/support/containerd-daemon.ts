import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ContainerdClient } from '../../src/backends/containerd/client.js';
import { native } from '../../src/native.js';
import { end, endTree, eventually, hasEnded, mountsBelow, processesWith, shimSockets } from './daemon-process.js';

/**
 * A containerd for one test file, with folders and sockets of its own. `close` takes down whatever is left of it, also what its containers left when
 * it was killed.
 */
const START_LIMIT_MS = 30_000;
const REACH_LIMIT_MS = 1_000;
/** What needs more than a folder, or touches the machine. */
const DISABLED = [
  'io.containerd.grpc.v1.cri',
  'io.containerd.internal.v1.opt',
  ...['aufs', 'btrfs', 'devmapper', 'zfs'].map((name) => `io.containerd.snapshotter.v1.${name}`),
];

const run = promisify(execFile);

export class ContainerdDaemon {
  readonly folder: string;
  readonly address: string;
  #process: ChildProcess | null = null;
  /** In which `ctr` was used: it puts containers into cgroups of that name and leaves the folder. */
  readonly #namespaces = new Set<string>();

  private constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'iluvatar-containerd-'));
    this.address = join(this.folder, 'containerd.sock');
  }

  static async start(): Promise<ContainerdDaemon> {
    const daemon = new ContainerdDaemon();
    const { folder, address } = daemon;
    const disabled = DISABLED.map((name) => `"${name}"`).join(', ');
    const config = [
      'version = 2',
      `root = "${folder}/root"`,
      `state = "${folder}/state"`,
      `disabled_plugins = [${disabled}]`,
      `[grpc]\n  address = "${address}"`,
      `[ttrpc]\n  address = "${folder}/ttrpc.sock"`,
    ];
    writeFileSync(join(folder, 'config.toml'), `${config.join('\n')}\n`);
    try {
      await daemon.restart();
    } catch (error) {
      await daemon.close();
      throw error;
    }
    return daemon;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** After `kill` or `terminate`. Containers are adopted. */
  async restart(): Promise<void> {
    const log = openSync(join(this.folder, 'containerd.log'), 'a');
    const args = ['--config', join(this.folder, 'config.toml')];
    this.#process = spawn('containerd', args, { stdio: ['ignore', log, log], cwd: this.folder, detached: true });
    this.#process.once('error', () => undefined);
    closeSync(log);
    await this.#answers(this.#process);
  }

  /** As a crash: at once, and nothing is told to anybody. */
  async kill(): Promise<void> {
    await end(this.#process, 'SIGKILL');
    this.#process = null;
  }

  /** As a service is stopped: containers go on. */
  async terminate(): Promise<void> {
    await end(this.#process, 'SIGTERM');
    this.#process = null;
  }

  /** What `ctr` prints. Rejects with an Error that has its `stderr`. */
  async ctr(namespace: string, ...args: string[]): Promise<string> {
    this.#namespaces.add(namespace);
    return (await run('ctr', ['--address', this.address, '--namespace', namespace, ...args])).stdout;
  }

  /** Ends all of it. Throws an Error that names what could not be taken away. */
  async close(): Promise<void> {
    await this.terminate();
    const sockets = shimSockets(join(this.folder, 'state'));
    for (let round = 0; round < 3; round++) for (const pid of processesWith(this.folder)) await endTree(pid);
    // A shim that was killed leaves it.
    for (const socket of sockets) rmSync(socket, { force: true });
    await eventually(() => processesWith(this.folder).length === 0);
    for (const mount of mountsBelow(this.folder).reverse()) spawnSync('umount', ['--lazy', mount]);
    const left = [
      ...processesWith(this.folder).map((pid) => `process ${pid}`),
      ...mountsBelow(this.folder).map((path) => `mount ${path}`),
    ];
    rmSync(this.folder, { recursive: true, force: true });
    for (const { path } of native().cgroup.mounts()) {
      for (const namespace of this.#namespaces) {
        try {
          rmdirSync(join(path, namespace));
        } catch {
          // There is none, or somebody else's is in it.
        }
      }
    }
    if (left.length > 0) throw new Error(`the containerd of a test left ${left.join(', ')}`);
  }

  async #answers(child: ChildProcess): Promise<void> {
    const ends = Date.now() + START_LIMIT_MS;
    for (;;) {
      const client = new ContainerdClient({ address: this.address, namespace: 'test' });
      try {
        await client.reach(REACH_LIMIT_MS);
        return;
      } catch {
        if (!hasEnded(child) && Date.now() < ends) await sleep(50);
        else {
          const log = readFileSync(join(this.folder, 'containerd.log'), 'utf8').trim().split('\n').slice(-8);
          throw new Error(`containerd did not start:\n${log.join('\n')}`);
        }
      } finally {
        client.close();
      }
    }
  }
}
