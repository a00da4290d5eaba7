import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { WorkerConfig } from '../config/schema.js';
import { type NetworkLink, native } from '../native.js';
import { isNamespace, type KeptLeases, NONE_KEPT } from './kept-leases.js';
import type { AddressLease } from './leases.js';
import type { LinkNames } from './names.js';
import type { PoolLog } from './namespace-pool.js';
import type { NatTable } from './nat.js';
import { formatAddress, sizeOf } from './range.js';

export interface LeftoversOptions {
  readonly config: WorkerConfig['network'];
  readonly names: LinkNames;
  /** Where namespaces are mounted. */
  readonly folder: string;
  readonly nat: NatTable;
  readonly log: PoolLog;
}

/** Links, mounts and the table of nftables with a worker's names, whoever made them. Root only. */
export class NetworkLeftovers {
  readonly #options: LeftoversOptions;

  constructor(options: LeftoversOptions) {
    this.#options = options;
  }

  /** One name each. */
  async list(): Promise<string[]> {
    const links = await this.#links();
    const paths = this.#files().map((name) => join(this.#options.folder, name));
    return [...links.map(({ name }) => `link ${name}`), ...paths.map((path) => `network namespace ${path}`)];
  }

  /**
   * All but what these leases use: their namespaces, links, bridges, and who is known at their addresses. Resolves with those of them that are whole; what
   * is left of the others goes with the rest.
   */
  async remove(kept: KeptLeases = NONE_KEPT): Promise<KeptLeases> {
    const { names, folder, config } = this.#options;
    const { netlink } = native();
    const links = await this.#links();
    const byName = new Map(links.map((link) => [link.name, link]));
    const bridged = kept.bridged.filter((lease) => this.#isWhole(lease, byName));
    const isolated = kept.isolated.filter(({ name }) => isNamespace(join(folder, name)));
    const spared = new Set([...bridged, ...isolated].map(({ name }) => name));
    const bridges = new Map(bridged.map(({ allocation: { bridge } }) => [names.bridge(bridge), bridge]));
    // A table is never there without its bridge: it comes later, and goes before. That of bridges which stay is replaced as a whole when they are opened again: in
    // between their containers would be reached from everywhere.
    if (links.length > 0 && !(config.nat && bridges.size > 0)) await this.#removeTable();
    // A bridge that goes takes along whom the host knows on it.
    for (const [name, { subnet }] of bridges) {
      const used = new Set(bridged.map(({ address }) => address));
      const inside = Array.from({ length: sizeOf(subnet.prefixLength) }, (_, at) => formatAddress(subnet.first + at));
      await netlink.forgetNeighbours(
        name,
        inside.filter((address) => !used.has(address)),
      );
    }
    const files = this.#files().filter((name) => !spared.has(name));
    await netlink.removeNamespaces(
      files.map((name) => join(folder, name)),
      links.map(({ name }) => name).filter((name) => !spared.has(name) && !bridges.has(name)),
    );
    return { bridged, isolated };
  }

  /** All of it is there as it was made, and as it would be made now. */
  #isWhole({ name, allocation }: AddressLease, links: ReadonlyMap<string, NetworkLink>): boolean {
    const { config, names, folder } = this.#options;
    const { gateway, subnet } = allocation.bridge;
    const bridge = links.get(names.bridge(allocation.bridge));
    const port = links.get(name);
    if (bridge === undefined || port === undefined || port.master !== bridge.index) return false;
    const isBridge = bridge.up && bridge.addresses.includes(`${gateway}/${subnet.prefixLength}`);
    return isBridge && port.up && port.isolated === !config.connected && isNamespace(join(folder, name));
  }

  async #links(): Promise<NetworkLink[]> {
    const { names } = this.#options;
    return (await native().netlink.links(names.prefix)).filter((link) => names.owns(link));
  }

  /** Each a namespace's, by name. */
  #files(): string[] {
    const { folder } = this.#options;
    return existsSync(folder) ? readdirSync(folder) : [];
  }

  /** Where there is no NAT now there may have been, and what is in the way of asking must not be in the way of starting. */
  async #removeTable(): Promise<void> {
    const { nat, config, log } = this.#options;
    try {
      await nat.remove();
    } catch (error) {
      if (config.nat) throw error;
      log.warn({ reason: (error as Error).message }, 'whether an old table of nftables is left could not be seen');
    }
  }
}
