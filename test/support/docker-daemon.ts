import { DaemonFolder } from '../../src/cli/private-daemon/daemon-folder.js';
import { PrivateDocker, type PrivateDockerOptions } from '../../src/cli/private-daemon/docker.js';

/** A Docker daemon for one test file: a private one that can be killed. */
export class DockerDaemon {
  readonly #folder = new DaemonFolder('docker');
  readonly #daemon: PrivateDocker;

  private constructor(options: PrivateDockerOptions) {
    this.#daemon = new PrivateDocker(this.#folder.path, options);
  }

  static async start(options: PrivateDockerOptions = {}): Promise<DockerDaemon> {
    const daemon = new DockerDaemon(options);
    try {
      await daemon.startDockerd();
    } catch (error) {
      await daemon.close();
      throw error;
    }
    return daemon;
  }

  get folder(): string {
    return this.#folder.path;
  }

  get socket(): string {
    return this.#daemon.socket;
  }

  get pid(): number {
    return this.#daemon.pid;
  }

  /** After `kill`, or anew. */
  startDockerd(): Promise<void> {
    return this.#daemon.start();
  }

  /** As a crash: at once, and nothing is told to anybody. */
  kill(): Promise<void> {
    return this.#daemon.stop('SIGKILL');
  }

  /** As a service is stopped. */
  terminate(): Promise<void> {
    return this.#daemon.stop();
  }

  /** Ends all of it, also what its containers left when it was killed. Throws an Error that names what could not be taken away. */
  async close(): Promise<void> {
    await this.#daemon.stopAll();
    this.#folder.remove();
  }
}
