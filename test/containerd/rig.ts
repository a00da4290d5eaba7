import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Backend } from '../../src/backends/backend.js';
import { containerdBackend } from '../../src/backends/containerd/backend.js';
import type { WorkerConfigInput } from '../../src/config/schema.js';
import type { FunctionRecord } from '../../src/core/index.js';
import { ContainerNetworks } from '../../src/net/container-networks.js';
import { python } from '../backends/support/dialects.js';
import { DrivenEngine } from '../backends/support/driven-engine.js';
import { cgroupsOf, type Harness, processesWith, startBackend } from '../backends/support/harness.js';
import { temporaryFolder, writeTree } from '../backends/support/temporary.js';
import type { ContainerdDaemon } from '../support/containerd-daemon.js';

/** A worker without its edges on a private containerd, and what is left of its containers anywhere. */
export const RUNTIMES = ['iluvatar', 'io.containerd.runc.v2'] as const;
export const NEEDS = { root: true, cgroups: true, command: ['python3', 'containerd', 'runc', 'ctr'] };

export interface RigOptions {
  readonly daemon: ContainerdDaemon;
  readonly runtime?: string;
  /** Where the worker finds the daemon, when that is not the daemon's own socket. */
  readonly address?: string;
  readonly config?: WorkerConfigInput;
  readonly attempts?: number;
  /** Started and stopped by whoever gives them. */
  readonly others?: readonly Backend[];
}

export class ContainerdRig {
  readonly harness: Harness;
  readonly worker: DrivenEngine;
  readonly networks: ContainerNetworks;
  readonly #daemon: ContainerdDaemon;
  #registered = 0;

  private constructor(
    harness: Harness,
    networks: ContainerNetworks,
    { daemon, attempts = 3, others = [] }: RigOptions,
  ) {
    this.harness = harness;
    this.networks = networks;
    this.#daemon = daemon;
    const create = { attempts, backOffMs: 1, maxBackOffMs: 5 };
    this.worker = new DrivenEngine([harness.backend, ...others], harness.transport, create);
  }

  static async start(options: RigOptions): Promise<ContainerdRig> {
    const { daemon, runtime = 'iluvatar', address = daemon.address, config = {} } = options;
    let networks: ContainerNetworks | null = null;
    const input = { ...config, backends: { ...config.backends, containerd: { enabled: true, address, runtime } } };
    const harness = await startBackend(input, false, (parts) => {
      networks = new ContainerNetworks({ config: parts.config, log: parts.log });
      return containerdBackend({ ...parts, networks });
    });
    return new ContainerdRig(harness, networks as unknown as ContainerNetworks, options);
  }

  get namespace(): string {
    return this.harness.config.backends.containerd.namespace;
  }

  /** `containers`, … of the backend, and of its engine and stages. */
  counter(name: string): number {
    return this.harness.backend.health().counters[name] ?? 0;
  }

  get healthy(): boolean {
    return this.harness.backend.health().healthy;
  }

  /** A function from the suite's source; what it is called tells it apart from the others. */
  register(more: object = {}): Promise<FunctionRecord> {
    const source = writeTree(temporaryFolder(), python.main);
    const name = `f${++this.#registered}`;
    return this.worker.register({ name, source, backends: ['containerd'], memoryMb: 64, ...more });
  }

  ctr(...args: string[]): Promise<string> {
    return this.#daemon.ctr(this.namespace, ...args);
  }

  /** Sentences of what containers have left, in containerd and on the machine. Images that are registered may stay. */
  async leftovers(): Promise<string[]> {
    const { name, dataDir } = this.harness.config;
    const data = dataDir as string;
    const lines = async (what: string, ...args: string[]): Promise<string[]> =>
      linesOf(await this.ctr(...args)).map((line) => `${what} ${line}`);
    const folders = [join(data, 'containerd-0', 'roots')];
    if (existsSync(join(data, 'run'))) {
      folders.push(...readdirSync(join(data, 'run')).map((scope) => join(data, 'run', scope)));
    }
    const cgroups = cgroupsOf(`${name}.containerd`);
    const used = cgroups.filter((path) => readFileSync(join(path, 'cgroup.procs'), 'utf8') !== '');
    // Ready ones are the pool's.
    const extra = new Set(cgroups.map((path) => basename(path))).size - this.counter('cgroupsReady');
    const inUse = this.networks.counters()['isolatedNetworksInUse'] ?? 0;
    return [
      ...(await lines('container', 'containers', 'list', '--quiet')),
      ...(await lines('task', 'tasks', 'list', '--quiet')),
      ...(await lines('active snapshot', 'snapshots', 'list')).filter((line) => /\bActive\s*$/.test(line)),
      ...folders.filter(existsSync).flatMap((folder) => readdirSync(folder).map((entry) => join(folder, entry))),
      ...used.map((path) => `processes in ${path}`),
      ...(extra > 0 ? [`${extra} cgroups that are not the pool's`] : []),
      ...(this.counter('outputsInUse') > 0 ? [`${this.counter('outputsInUse')} pairs of pipes`] : []),
      ...(inUse > 0 ? [`${inUse} network namespaces`] : []),
      ...processesWith(`${name}.containerd-c`).map((pid) => `process ${pid}`),
    ];
  }

  /** Of whatever worker in the namespace. */
  async leases(): Promise<string[]> {
    return linesOf(await this.ctr('leases', 'list', '--quiet'));
  }

  async images(): Promise<string[]> {
    return linesOf(await this.ctr('images', 'list', '--quiet'));
  }

  async close(): Promise<void> {
    await this.worker.stop();
    await this.harness.close();
  }
}

export function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
