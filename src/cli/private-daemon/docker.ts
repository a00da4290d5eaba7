import { type ChildProcess, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DockerClient } from '../../backends/docker/client.js';
import { PrivateContainerd } from './containerd.js';
import { answering, end, spawnDaemon } from './daemon-process.js';
import { cgroupOf } from './remains.js';

/**
 * A Docker daemon of one's own in a folder, with a containerd of its own and a cgroup for its containers. It touches no firewall and has no default bridge. Whose folder it is takes
 * away what it leaves.
 */
export interface PrivateDockerOptions {
  /** Containers outlive the daemon. */
  readonly liveRestore?: boolean;
}

const REACH_LIMIT_MS = 1_000;

export class PrivateDocker {
  readonly folder: string;
  readonly socket: string;
  readonly #containerd: PrivateContainerd;
  readonly #options: PrivateDockerOptions;
  #process: ChildProcess | null = null;

  constructor(folder: string, options: PrivateDockerOptions = {}) {
    this.folder = folder;
    this.socket = join(folder, 'docker.sock');
    this.#containerd = new PrivateContainerd(join(folder, 'containerd'));
    this.#options = options;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** Also after `stop`. Rejects with an Error that has the end of its log. */
  async start(): Promise<void> {
    const { folder, socket } = this;
    if (this.#containerd.pid === 0) await this.#containerd.start();
    const config = join(folder, 'daemon.json');
    // Empty: the machine's own must not be read.
    writeFileSync(config, '{}');
    // A daemon that was killed leaves the number of its process, which may be somebody's by now.
    rmSync(join(folder, 'docker.pid'), { force: true });
    const args = [
      ...['--config-file', config, '--host', `unix://${socket}`, '--pidfile', join(folder, 'docker.pid')],
      ...['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')],
      ...['--containerd', this.#containerd.address, '--cgroup-parent', `/${cgroupOf(folder)}`],
      ...['--iptables=false', '--ip6tables=false', '--ip-masq=false', '--bridge=none'],
      ...['--storage-driver', overlayWorks(folder) ? 'overlay2' : 'vfs'],
      ...(this.#options.liveRestore === true ? ['--live-restore'] : []),
    ];
    this.#process = spawnDaemon('dockerd', args, folder);
    await answering(this.#process, folder, () => answers(socket));
  }

  /** The daemon alone, not its containerd. Its containers end with it unless it has `liveRestore` or is killed. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await end(this.#process, signal);
    this.#process = null;
  }

  async stopAll(): Promise<void> {
    await this.stop();
    await this.#containerd.stop();
  }
}

async function answers(socket: string): Promise<boolean> {
  const client = new DockerClient(socket);
  try {
    await client.reach(REACH_LIMIT_MS);
    return true;
  } catch {
    return false;
  } finally {
    client.close();
  }
}

/** overlayfs on what is itself an overlay is refused by the kernel. */
function overlayWorks(folder: string): boolean {
  const trial = join(folder, 'trial');
  const [lower, upper, work, merged] = ['lower', 'upper', 'work', 'merged'].map((name) => join(trial, name));
  for (const part of [lower, upper, work, merged]) mkdirSync(part as string, { recursive: true });
  const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  const mounted = spawnSync('mount', ['-t', 'overlay', 'overlay', '-o', options, merged as string]).status === 0;
  if (mounted) spawnSync('umount', [merged as string]);
  rmSync(trial, { recursive: true, force: true });
  return mounted;
}
