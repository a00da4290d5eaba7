import type { ContainerdDaemon } from '../../test/support/containerd-daemon.js';

/** Containers made by containerd's own client, `ctr run -d`, as many at once as asked for. */

export interface CtrTarget {
  readonly daemon: ContainerdDaemon;
  readonly namespace: string;
  readonly image: string;
  /** In the image. */
  readonly program: string;
}

export class CtrRun {
  readonly #target: CtrTarget;
  #next = 0;
  #names: string[] = [];

  constructor(target: CtrTarget) {
    this.#target = target;
  }

  /** Starts `count` containers, all at once; resolves with how long that took; ms. */
  async start(count: number): Promise<number> {
    const { image, program } = this.#target;
    const names = Array.from({ length: count }, () => `bench-${process.pid}-${this.#next++}`);
    this.#names.push(...names);
    const begun = performance.now();
    await Promise.all(names.map((name) => this.#ctr('run', '-d', image, name, program)));
    return performance.now() - begun;
  }

  /** Removes what it started. */
  async clear(): Promise<void> {
    const names = this.#names;
    this.#names = [];
    for (const name of names) {
      await this.#ctr('tasks', 'rm', '--force', name).catch(() => undefined);
      await this.#ctr('containers', 'rm', name);
    }
  }

  async #ctr(...args: string[]): Promise<void> {
    const { daemon, namespace } = this.#target;
    await daemon.ctr(namespace, ...args);
  }
}
