import type { WorkerConfigInput } from '../../src/index.js';
import { ContainerdDaemon } from '../../test/support/containerd-daemon.js';
import { DockerDaemon } from '../../test/support/docker-daemon.js';

/** Every backend with real containers, each with what it needs: the engines are daemons of the bench's own. */
export const REAL_BACKENDS = ['process', 'containerd', 'containerd with runc', 'docker'] as const;
export type RealBackend = (typeof REAL_BACKENDS)[number];

export class Engines implements AsyncDisposable {
  readonly containerd: ContainerdDaemon;
  readonly docker: DockerDaemon;

  private constructor(containerd: ContainerdDaemon, docker: DockerDaemon) {
    this.containerd = containerd;
    this.docker = docker;
  }

  static async start(): Promise<Engines> {
    const containerd = await ContainerdDaemon.start();
    try {
      return new Engines(containerd, await DockerDaemon.start());
    } catch (error) {
      await containerd.close();
      throw error;
    }
  }

  /** Configuration of a worker with this backend alone. */
  config(backend: RealBackend): WorkerConfigInput {
    if (backend === 'process') return {};
    const name = backend === 'docker' ? 'docker' : 'containerd';
    const off = { process: { enabled: false } };
    if (name === 'docker') {
      const docker = { enabled: true, socket: this.docker.socket };
      return { defaultBackends: [name], backends: { ...off, docker } };
    }
    const stock = backend !== 'containerd';
    const containerd = {
      enabled: true,
      address: this.containerd.address,
      namespace: stock ? 'stock' : 'ours',
      ...(stock ? { runtime: 'io.containerd.runc.v2' } : {}),
    };
    return { defaultBackends: [name], backends: { ...off, containerd } };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.docker.close();
    await this.containerd.close();
  }
}
