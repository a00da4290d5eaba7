import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { IluvatarError } from '../../core/errors.js';
import type { AddressLease, Networks, NetworkTaken } from '../networks.js';
import type { BridgeAddress, BridgeAddresses } from '../oci/bridge-addresses.js';
import type { NetworkSummary } from './api.js';
import type { DockerClient } from './client.js';
import { DockerError, ignore } from './error.js';
import { LABELS } from './labels.js';

/**
 * Networks of Docker for containers with `network: bridge`: bridges of the worker's own, one per subnet, made when the first container needs it and removed at the end.
 * The worker chooses the addresses, so that a container knows its own before it runs.
 */
export interface DockerLease extends AddressLease {
  /** `name` is that of the network in Docker. */
  readonly allocation: BridgeAddress;
}

export interface DockerNetworksOptions {
  readonly client: DockerClient;
  readonly scope: string;
  readonly addresses: BridgeAddresses;
  /** Containers on one bridge reach each other. */
  readonly connected: boolean;
}

const ICC = 'com.docker.network.bridge.enable_icc';
const MASQUERADE = 'com.docker.network.bridge.enable_ip_masquerade';
const BRIDGE_NAME = 'com.docker.network.bridge.name';

export class DockerNetworks implements Networks {
  /** None: namespaces are Docker's. */
  readonly folder = '';
  readonly isolated = null;
  readonly bridged = {
    take: (taken: NetworkTaken<DockerLease>): void => this.#take(taken),
    give: (lease: AddressLease): void => this.#giveBack((lease as DockerLease).allocation),
    reclaim: (): null => null,
  };
  readonly #options: DockerNetworksOptions;
  /** By bridge; resolves with the name of its link. */
  readonly #made = new Map<number, Promise<string>>();
  readonly #isolated = new Set<string>();
  #inUse = 0;
  #failure: string | null = null;

  constructor(options: DockerNetworksOptions) {
    this.#options = options;
  }

  /** None: Docker's networks are removed with the worker that made them. */
  keep(): readonly [] {
    return [];
  }

  removeUnclaimed(): void {}

  async start(): Promise<void> {
    // A daemon that is away has no network to take away now; a bridge that is left is found used, and gone around.
    await this.#sweep().catch(ignore(({ transient }) => transient));
  }

  async open(): Promise<void> {
    const first = this.#options.addresses.take();
    try {
      if (first === null) throw new Error('every part of network.range is used by this machine already');
      await this.#ensure(first);
      this.#failure = null;
    } catch (error) {
      this.#failure = (error as Error).message;
      throw new IluvatarError('unavailable', `there is no network "bridge": ${this.#failure}`);
    } finally {
      if (first !== null) this.#options.addresses.give(first);
    }
  }

  /** Nobody keeps any ready: Docker gives an address to a container that is there. */
  recallFrom(): void {}

  #take(taken: NetworkTaken<DockerLease>): void {
    const allocation = this.#options.addresses.take();
    if (allocation === null) {
      const message = 'every address of every bridge is taken (network.bridges, network.portsPerBridge)';
      taken(null, { errorClass: 'overloaded', message, details: null, transient: true });
      return;
    }
    this.#inUse++;
    this.#ensure(allocation).then(
      () => taken({ name: this.#nameOf(allocation.bridge), address: allocation.address, allocation }, null),
      (error: Error) => {
        this.#giveBack(allocation);
        const transient = error instanceof DockerError && error.transient;
        taken(null, { errorClass: 'unavailable', message: error.message, details: null, transient });
      },
    );
  }

  /**
   * Its end of the pair is a port of the bridge now. Docker keeps containers apart with its firewall, which may be switched off (`--iptables=false`); an isolated port
   * needs none.
   */
  async attached(name: string): Promise<void> {
    if (this.#options.connected) return;
    const bridge = [...this.#made.keys()].find((index) => this.#nameOf(index) === name);
    if (bridge === undefined) throw new Error(`there is no network ${name}`);
    const link = await this.#made.get(bridge);
    const ports = `/sys/class/net/${link}/brif`;
    for (const port of await readdir(ports)) {
      if (this.#isolated.has(port)) continue;
      this.#isolated.add(port);
      // One that is gone again needs no isolation.
      await writeFile(join(ports, port, 'isolated'), '1').catch((error: NodeJS.ErrnoException) => {
        this.#isolated.delete(port);
        if (error.code !== 'ENOENT') throw error;
      });
    }
  }

  async stop(): Promise<void> {
    await Promise.allSettled(this.#made.values());
    this.#made.clear();
    await this.#sweep();
  }

  notes(): string[] {
    return this.#failure === null ? [] : [`network "bridge" is not available with Docker: ${this.#failure}`];
  }

  counters(): Record<string, number> {
    return { networkBridges: this.#made.size, networksInUse: this.#inUse };
  }

  #giveBack(allocation: BridgeAddress): void {
    this.#inUse--;
    this.#options.addresses.give(allocation);
  }

  #nameOf(bridge: number): string {
    return `iluvatar-${this.#options.scope}-${bridge}`;
  }

  #ensure(allocation: BridgeAddress): Promise<string> {
    let made = this.#made.get(allocation.bridge);
    if (made === undefined) {
      made = this.#make(allocation);
      this.#made.set(allocation.bridge, made);
      // The next container tries again.
      made.catch(() => this.#made.delete(allocation.bridge));
    }
    return made;
  }

  async #make({ bridge, subnet, gateway }: BridgeAddress): Promise<string> {
    const { client, scope, connected } = this.#options;
    const name = this.#nameOf(bridge);
    const { Id } = await client.call<{ Id: string }>('POST', '/networks/create', {
      body: {
        Name: name,
        // Docker allows two networks of one name.
        CheckDuplicate: true,
        Driver: 'bridge',
        IPAM: { Driver: 'default', Config: [{ Subnet: subnet, Gateway: gateway }] },
        Options: { [ICC]: `${connected}`, [MASQUERADE]: 'false' },
        Labels: { [LABELS.worker]: scope },
      },
    });
    const { Options } = await client.call<NetworkSummary>('GET', `/networks/${Id}`);
    // As Docker names the link of a network that says nothing of it.
    return Options?.[BRIDGE_NAME] ?? `br-${Id.slice(0, 12)}`;
  }

  #sweep(): Promise<void> {
    return removeNetworks(this.#options.client, this.#options.scope);
  }
}

/** Every network with this mark. */
export function listNetworks(client: DockerClient, scope: string): Promise<NetworkSummary[]> {
  return client.call<NetworkSummary[]>('GET', '/networks', {
    query: { filters: { label: [`${LABELS.worker}=${scope}`] } },
  });
}

/** Those of them that nothing uses. */
export async function removeNetworks(client: DockerClient, scope: string): Promise<void> {
  for (const { Id } of await listNetworks(client, scope)) {
    await client.call('DELETE', `/networks/${Id}`).catch(ignore(({ notFound, status }) => notFound || status === 403));
  }
}
