import { execFile } from 'node:child_process';
import { rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PrivateContainerd } from '../../src/cli/private-daemon/containerd.js';
import { DaemonFolder } from '../../src/cli/private-daemon/daemon-folder.js';
import { native } from '../../src/native.js';

/** A containerd for one test file: a private one that can be killed, and asked with `ctr`. */

const run = promisify(execFile);

export class ContainerdDaemon {
  readonly #folder = new DaemonFolder('containerd');
  readonly #daemon = new PrivateContainerd(this.#folder.path);
  /** In which `ctr` was used: it puts containers into cgroups of that name and leaves the folder. */
  readonly #namespaces = new Set<string>();

  static async start(): Promise<ContainerdDaemon> {
    const daemon = new ContainerdDaemon();
    try {
      await daemon.restart();
    } catch (error) {
      await daemon.close();
      throw error;
    }
    return daemon;
  }

  get folder(): string {
    return this.#folder.path;
  }

  get address(): string {
    return this.#daemon.address;
  }

  get pid(): number {
    return this.#daemon.pid;
  }

  /** After `kill` or `terminate`. Containers are adopted. */
  restart(): Promise<void> {
    return this.#daemon.start();
  }

  /** As a crash: at once, and nothing is told to anybody. */
  kill(): Promise<void> {
    return this.#daemon.stop('SIGKILL');
  }

  /** As a service is stopped: containers go on. */
  terminate(): Promise<void> {
    return this.#daemon.stop();
  }

  /** What `ctr` prints. Rejects with an Error that has its `stderr`. */
  async ctr(namespace: string, ...args: string[]): Promise<string> {
    this.#namespaces.add(namespace);
    return (await run('ctr', ['--address', this.address, '--namespace', namespace, ...args])).stdout;
  }

  /** Ends all of it, also what its containers left when it was killed. Throws an Error that names what could not be taken away. */
  async close(): Promise<void> {
    await this.terminate();
    this.#folder.remove();
    for (const { path } of native().cgroup.mounts()) {
      for (const namespace of this.#namespaces) {
        try {
          rmdirSync(join(path, namespace));
        } catch {
          // There is none, or somebody else's is in it.
        }
      }
    }
  }
}
