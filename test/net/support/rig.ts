import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type WorkerConfigInput, workerConfigSchema } from '../../../src/config/schema.js';
import { ContainerNetworks } from '../../../src/net/container-networks.js';
import type { AddressLease, LeaseSource } from '../../../src/net/leases.js';

/** The networks of a worker without the worker: real bridges and namespaces with names of the test's own. */
export class NetworksRig implements AsyncDisposable {
  readonly folder: string;
  readonly networks: ContainerNetworks;
  readonly warnings: string[] = [];
  readonly counts: number[] = [];

  constructor(network: WorkerConfigInput['network'], name = 'rig', folder = mkdtempSync(join(tmpdir(), 'ilu-net-'))) {
    this.folder = folder;
    this.networks = new ContainerNetworks({
      config: workerConfigSchema.parse({ name, dataDir: folder, network }),
      log: { warn: (_fields, text) => this.warnings.push(text) },
      addresses: (count) => this.counts.push(count),
    });
  }

  async open(): Promise<this> {
    await this.networks.start();
    await this.networks.open();
    return this;
  }

  get links(): string[] {
    return readdirSync('/sys/class/net').filter((name) => name.startsWith(this.networks.names.prefix));
  }

  get mounts(): string[] {
    return readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(this.folder));
  }

  /** Addresses that the host knows on bridges of ours. */
  get neighbours(): string[] {
    return readFileSync('/proc/net/arp', 'utf8')
      .split('\n')
      .filter((line) => line.includes(this.networks.names.prefix))
      .map((line) => line.split(' ')[0] as string);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.networks.stop();
    // Of a test that failed before its start.
    await this.networks.removeLeftovers();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export function taken<Lease>(source: LeaseSource<Lease>, urgent = true): Promise<Lease> {
  return new Promise((resolve, reject) =>
    source.take((lease, failure) => {
      if (lease === null) reject(Object.assign(new Error(), failure));
      else resolve(lease);
    }, urgent),
  );
}

/** How a namespace answers where nobody listens: a refused connection comes from its own kernel, under its own address. */
export function knock({ address }: Pick<AddressLease, 'address'>): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: 9, timeout: 20_000 });
    const end = (how: string): void => {
      socket.destroy();
      resolve(how);
    };
    socket.once('connect', () => end('connected'));
    socket.once('timeout', () => end('timeout'));
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}
