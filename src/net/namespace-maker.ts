import { join } from 'node:path';
import { failpoint } from '../failpoints.js';
import { type NamespaceRequest, type NativeNetlink, native } from '../native.js';
import type { Allocation, BridgePlan } from './address-allocator.js';
import { type LinkNames, macOf } from './names.js';
import type { Maker } from './namespace-pool.js';

/** Makes and removes bridges and namespaces in the kernel. What it is told to make has its name and address already. */
export interface MakerOptions {
  readonly names: LinkNames;
  /** Where namespaces are mounted. */
  readonly folder: string;
  /** Containers reach each other over their bridge. */
  readonly connected: boolean;
  /** A bridge is up: what else it needs. */
  opened(): Promise<void>;
}

/** What a container finds its link called. */
const INSIDE = 'eth0';

export class NamespaceMaker implements Maker<Allocation> {
  readonly #options: MakerOptions;
  readonly #netlink: NativeNetlink = native().netlink;
  readonly #bridges = new Map<number, Promise<void>>();

  constructor(options: MakerOptions) {
    this.#options = options;
  }

  /** The file of a namespace, and the name under which it can be entered. */
  nameOf(allocation: Allocation): string {
    return this.#options.names.port(allocation);
  }

  /** One outcome each, in order; null = made. Never rejects. */
  async make(allocations: readonly Allocation[]): Promise<(Error | null)[]> {
    const outcomes: (Error | null)[] = allocations.map(() => null);
    for (const bridge of new Set(allocations.map((allocation) => allocation.bridge))) {
      const members = [...allocations.keys()].filter((index) => allocations[index]?.bridge === bridge);
      const results = await this.#makeOn(
        bridge,
        members.map((index) => allocations[index] as Allocation),
      );
      for (const [position, index] of members.entries()) outcomes[index] = results[position] ?? null;
    }
    return outcomes;
  }

  async remove(allocations: readonly Allocation[]): Promise<void> {
    failpoint('network.removing');
    for (const bridge of new Set(allocations.map((allocation) => allocation.bridge))) {
      const members = allocations.filter((allocation) => allocation.bridge === bridge);
      const addresses = members.map(({ address }) => address);
      await this.#netlink.forgetNeighbours(this.#options.names.bridge(bridge), addresses);
    }
    const names = allocations.map((allocation) => this.nameOf(allocation));
    await this.#netlink.removeNamespaces(
      names.map((name) => join(this.#options.folder, name)),
      names,
    );
    failpoint('network.removed');
  }

  /** Resolves when the bridge is there; a failure is not remembered. */
  ensure(bridge: BridgePlan): Promise<void> {
    let made = this.#bridges.get(bridge.index);
    if (made === undefined) {
      const { gateway, subnet } = bridge;
      const name = this.#options.names.bridge(bridge);
      made = this.#create(name, macOf(gateway), `${gateway}/${subnet.prefixLength}`);
      this.#bridges.set(bridge.index, made);
      made.catch(() => this.#bridges.delete(bridge.index));
    }
    return made;
  }

  /** It is there already, with all that it needs. */
  adopt(bridge: BridgePlan): void {
    this.#bridges.set(bridge.index, Promise.resolve());
  }

  async #create(name: string, mac: string, address: string): Promise<void> {
    await this.#netlink.createBridge(name, mac, address);
    failpoint('network.bridge');
    try {
      await this.#options.opened();
    } catch (error) {
      await this.#netlink.deleteLinks([name]);
      throw error;
    }
  }

  async #makeOn(bridge: BridgePlan, allocations: readonly Allocation[]): Promise<(Error | null)[]> {
    try {
      await this.ensure(bridge);
      const requests = allocations.map((allocation) => this.#request(allocation));
      failpoint('network.make');
      const outcomes = await this.#netlink.createNamespaces(this.#options.names.bridge(bridge), requests);
      failpoint('network.made');
      return outcomes;
    } catch (error) {
      return allocations.map(() => error as Error);
    }
  }

  #request(allocation: Allocation): NamespaceRequest {
    const { bridge, address } = allocation;
    const name = this.nameOf(allocation);
    return {
      path: join(this.#options.folder, name),
      hostLink: name,
      link: INSIDE,
      mac: macOf(address),
      address: `${address}/${bridge.subnet.prefixLength}`,
      gateway: bridge.gateway,
      gatewayMac: macOf(bridge.gateway),
      isolated: !this.#options.connected,
    };
  }
}
