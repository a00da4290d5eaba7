import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { type WorkerConfigInput, workerConfigSchema } from '../../src/config/schema.js';
import { native } from '../../src/native.js';
import { AddressAllocator, type Allocation } from '../../src/net/address-allocator.js';
import { fittingLeases } from '../../src/net/kept-leases.js';
import type { AddressLease, NamespaceLease } from '../../src/net/leases.js';
import { LinkNames } from '../../src/net/names.js';
import { parseRange, type Range } from '../../src/net/range.js';
import { describeWith } from '../support/requirement.js';
import { callFrom, Inhabitant } from './support/inhabitant.js';
import { leaveBehind } from './support/killed-worker.js';
import { knock, NetworksRig, taken } from './support/rig.js';

/** What a killed process leaves is found again by the next one of its name, as far as that keeps it. */

const copy = <T>(data: T): T => JSON.parse(JSON.stringify(data)) as T;

describe('leases that are to be kept', () => {
  const names = new LinkNames('kept');
  const settings = (more: WorkerConfigInput['network'] = {}) =>
    workerConfigSchema.parse({ network: { range: '10.0.0.0/24', bridges: 3, portsPerBridge: 4, ...more } }).network;

  function handedOut(count: number): AddressLease[] {
    const allocator = new AddressAllocator(parseRange('10.0.0.0/24') as Range, settings());
    return Array.from({ length: count }, () => {
      const allocation = allocator.take() as Allocation;
      return { name: names.port(allocation), address: allocation.address, allocation };
    });
  }

  it('are those that would be handed out, once each', () => {
    const all = copy(handedOut(12));
    const isolated = [7, 1].map((number) => ({ name: `isolated-${number}`, address: null }));
    expect(fittingLeases([...all, ...isolated], settings(), names)).toEqual({ bridged: all, isolated });
    const twice = [all[3], all[3], isolated[0], isolated[0]];
    expect(fittingLeases(twice, settings(), names)).toEqual({ bridged: [all[3]], isolated: [isolated[0]] });
  });

  it('are left out when they are malformed, or name what is not theirs', () => {
    const [one, two] = handedOut(2) as [AddressLease, AddressLease];
    const wrong: unknown[] = [
      null,
      'isolated-1',
      {},
      { ...one, name: two.name },
      { ...one, name: '../../etc' },
      { ...one, address: two.address },
      { ...one, address: null },
      { ...one, allocation: null },
      { ...one, allocation: { ...one.allocation, port: '0' } },
      { name: one.name, address: one.address },
      ...['isolated-0', 'isolated-01', 'isolated-1/..', 'isolated-1234567890123456', '.', ''].map((name) => ({
        name,
        address: null,
      })),
    ];
    expect(fittingLeases(wrong, settings(), names)).toEqual({ bridged: [], isolated: [] });
  });

  it.each([
    ['another range', { range: '10.0.1.0/24' }, 0],
    ['a range that begins elsewhere', { range: '10.0.0.8/29' }, 4],
    ['subnets of another size', { portsPerBridge: 8 }, 0],
    ['fewer ports', { portsPerBridge: 2 }, 6],
    ['fewer bridges', { bridges: 1 }, 4],
    ['a range that holds no bridge', { range: '10.0.0.0/30' }, 0],
    ['what is no range', { range: '10.0.0.1/8' }, 0],
  ])('are left out when they do not fit %s', (_, change, fitting) => {
    const kept = fittingLeases(handedOut(12), settings(change), names);
    expect(kept.bridged).toHaveLength(fitting);
  });

  it('are none where nobody is root', () => {
    const folder = mkdtempSync(join(tmpdir(), 'ilu-net-'));
    const uid = vi.spyOn(process, 'getuid').mockReturnValue(1000);
    try {
      const { networks } = new NetworksRig({}, 'nobody', folder);
      expect(networks.keep([{ name: 'isolated-1', address: null }])).toEqual([]);
    } finally {
      uid.mockRestore();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describeWith({ root: true, command: ['python3', 'nsenter', 'ip'] }, 'networks that are kept', () => {
  const pool = { low: 0, high: 1 };
  const small = { bridges: 3, portsPerBridge: 4, pool, isolatedPool: { low: 0, high: 1 } };

  /** With what a killed process has left, and everything gone afterwards. */
  async function left(
    network: WorkerConfigInput['network'],
    name: string,
    counts: { bridged: number; isolated?: number },
    change: WorkerConfigInput['network'] = {},
  ) {
    const folder = mkdtempSync(join(tmpdir(), 'ilu-net-'));
    const rig = new NetworksRig({ ...network, ...change }, name, folder);
    try {
      const { bridged, isolated } = await leaveBehind(network, name, folder, counts);
      const place = ({ allocation: { bridge, port } }: AddressLease): number => bridge.index * 1024 + port;
      return { rig, isolated, bridged: bridged.sort((a, b) => place(a) - place(b)) };
    } catch (error) {
      await rig.networks.removeLeftovers();
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  it('answer on, reach the host and nobody else, and are taken back; the rest is swept', async () => {
    const network = { ...small, range: '10.228.0.0/26' };
    const { rig, bridged, isolated } = await left(network, 'kept', { bridged: 12, isolated: 3 });
    await using next = rig;
    const { networks } = next;
    const pathOf = ({ name }: NamespaceLease): string => join(networks.folder, name);
    // Of the first bridge two, with what is swept between them, and one of the second; of the third none.
    const [one, gone, two, far] = [0, 1, 2, 7].map((at) => bridged[at]) as [
      AddressLease,
      AddressLease,
      AddressLease,
      AddressLease,
    ];
    const bare = isolated[1] as NamespaceLease;
    await using other = await new NetworksRig(network, 'other').open();
    const foreign = await taken(other.networks.bridged);
    using first = await Inhabitant.in(networks.folder, one);
    using second = await Inhabitant.in(networks.folder, two);
    using third = await Inhabitant.in(networks.folder, far);
    using lost = await Inhabitant.in(networks.folder, gone);
    expect(await lost.hello()).toBe(`hello from ${gone.address}`);

    const kept = [one, two, far, bare];
    expect(networks.keep(copy(kept))).toEqual(kept);
    await networks.start();
    expect(next.links).not.toContain(gone.name);
    expect(next.links.filter((name) => name.startsWith(`${networks.names.prefix}b`))).toHaveLength(2);
    expect(readdirSync(networks.folder).filter((name) => isolated.some((lease) => lease.name === name))).toEqual([
      bare.name,
    ]);
    expect(next.neighbours).not.toContain(gone.address);
    expect(next.neighbours).toEqual(expect.arrayContaining([one, two, far].map(({ address }) => address)));
    expect(await lost.hello()).not.toContain('hello');
    for (const [who, lease] of [
      [first, one],
      [second, two],
      [third, far],
    ] as const) {
      expect(await who.hello()).toBe(`hello from ${lease.address}`);
      expect(callFrom(pathOf(lease), lease.allocation.bridge.gateway, 9, 20)).toBe('ConnectionRefusedError');
    }
    expect(await knock(foreign)).toBe('ECONNREFUSED');

    // What is new is on the same bridge, and they are isolated from each other as those that were there before.
    await networks.open();
    const fresh = await taken(networks.bridged);
    expect([fresh.allocation.bridge, await knock(fresh)]).toEqual([one.allocation.bridge, 'ECONNREFUSED']);
    expect(callFrom(pathOf(one), two.address)).not.toContain('hello');
    expect(callFrom(pathOf(fresh), one.address)).not.toContain('hello');
    expect(callFrom(pathOf(one), fresh.address, 9)).not.toBe('ConnectionRefusedError');

    const count = (name: string): number => networks.counters()[name] ?? 0;
    expect([count('networksInUse'), count('networkBridges'), count('isolatedNetworksInUse')]).toEqual([4, 2, 1]);
    expect(networks.bridged.reclaim(copy(gone))).toBeNull();
    expect(networks.bridged.reclaim({ ...copy(one), address: gone.address })).toBeNull();
    const again = networks.bridged.reclaim(copy(one)) as AddressLease;
    expect([again, networks.bridged.reclaim(copy(one))]).toEqual([one, null]);
    expect(networks.bridged.reclaim(copy(far))).toEqual(far);
    expect([networks.isolated.reclaim(copy(bare)), networks.isolated.reclaim(copy(bare))]).toEqual([bare, null]);
    expect(networks.isolated.reclaim(isolated[0] as NamespaceLease)).toBeNull();

    // Nobody has come for the second.
    networks.removeUnclaimed();
    expect(networks.bridged.reclaim(copy(two))).toBeNull();
    expect(count('networksInUse')).toBe(3);
    await expect.poll(() => existsSync(pathOf(two))).toBe(false);
    expect([next.links.includes(two.name), next.neighbours.includes(two.address)]).toEqual([false, false]);
    networks.bridged.give(again);
    await expect.poll(() => existsSync(pathOf(one))).toBe(false);
    expect([await first.hello(), count('networksInUse')]).toEqual([expect.not.stringContaining('hello'), 2]);

    const names = await Promise.all(Array.from({ length: 4 }, () => taken(networks.isolated)));
    expect(new Set([bare.name, ...names.map(({ name }) => name)]).size).toBe(5);
    const more = await Promise.all(Array.from({ length: 10 }, () => taken(networks.bridged)));
    const addresses = [fresh, far, ...more].map(({ address }) => address);
    expect([new Set(addresses).size, count('networkBridges'), next.counts.at(-1)]).toEqual([12, 3, 12]);
    await expect(taken(networks.bridged)).rejects.toMatchObject({ errorClass: 'overloaded' });
    expect(await third.hello()).toBe(`hello from ${far.address}`);

    await networks.stop();
    expect([next.links, next.mounts, next.neighbours, next.warnings]).toEqual([[], [], [], []]);
    expect(await knock(foreign)).toBe('ECONNREFUSED');
  }, 90_000);

  it('go with the worker that kept them, also those for whom nobody has come', async () => {
    const { rig, bridged, isolated } = await left({ ...small, range: '10.228.1.0/26' }, 'stopped', {
      bridged: 2,
      isolated: 2,
    });
    await using next = rig;
    const { networks } = next;
    networks.keep(copy([...bridged, ...isolated]));
    // Two backends at once: both find what was kept.
    await Promise.all([networks.start(), networks.start()]);
    expect(() => networks.keep([])).toThrow('before the start');
    expect(networks.bridged.reclaim(copy(bridged[0] as AddressLease))).toEqual(bridged[0]);
    expect(networks.isolated.reclaim(copy(isolated[0] as NamespaceLease))).toEqual(isolated[0]);
    await networks.stop();
    expect(await knock(bridged[0] as AddressLease)).toBe('ECONNREFUSED');
    await networks.stop();
    expect([next.links, next.mounts, next.neighbours]).toEqual([[], [], []]);
    networks.removeUnclaimed();
    expect(networks.bridged.reclaim(copy(bridged[1] as AddressLease))).toBeNull();
  }, 60_000);

  it('are not kept when a part of them is gone, and nothing of them stays', async () => {
    const { netlink } = native();
    const network = { ...small, portsPerBridge: 2, range: '10.228.2.0/26' };
    const { rig, bridged, isolated } = await left(network, 'parts', { bridged: 6, isolated: 2 });
    await using next = rig;
    const { networks } = next;
    const [linkless, unmounted, , , astray] = bridged as [
      AddressLease,
      AddressLease,
      AddressLease,
      AddressLease,
      AddressLease,
    ];
    using _holder = await Inhabitant.in(networks.folder, unmounted);
    await netlink.deleteLinks([linkless.name]);
    await netlink.removeNamespaces([join(networks.folder, unmounted.name)], []);
    // The second bridge is gone, the third has another address.
    const [, second, third] = [0, 2, 4].map((at) =>
      networks.names.bridge((bridged[at] as AddressLease).allocation.bridge),
    ) as [string, string, string];
    await netlink.deleteLinks([second]);
    const { gateway, subnet } = astray.allocation.bridge;
    execFileSync('ip', ['address', 'del', `${gateway}/${subnet.prefixLength}`, 'dev', third]);
    // Of those without links one is gone, and of the other the file is left that it was mounted on.
    const paths = isolated.map(({ name }) => join(networks.folder, name)) as [string, string];
    await netlink.removeNamespaces(paths, []);
    writeFileSync(paths[1], '');
    expect(next.links).toEqual(expect.arrayContaining([unmounted.name, astray.name, third]));

    const all = [...bridged, ...isolated];
    expect(networks.keep(copy(all))).toEqual(all);
    await networks.start();
    expect([next.links, next.mounts, next.neighbours]).toEqual([[], [], []]);
    expect(bridged.map((lease) => networks.bridged.reclaim(lease))).toEqual(bridged.map(() => null));
    expect(isolated.map((lease) => networks.isolated.reclaim(lease))).toEqual([null, null]);
    expect(readdirSync(networks.folder)).toEqual([]);
    await networks.open();
    const fresh = await taken(networks.bridged);
    expect([fresh.allocation.bridge.index, await knock(fresh)]).toEqual([0, 'ECONNREFUSED']);
  }, 60_000);

  it('are not kept when containers may reach each other now', async () => {
    const network = { ...small, range: '10.228.3.0/26' };
    const { rig, bridged } = await left(network, 'connected', { bridged: 2 }, { connected: true });
    await using next = rig;
    next.networks.keep(copy(bridged));
    await next.networks.start();
    expect([next.links, next.mounts]).toEqual([[], []]);
    expect(next.networks.bridged.reclaim(copy(bridged[0] as AddressLease))).toBeNull();
  }, 60_000);

  it('are removed, and the worker starts, when their bridges cannot be taken over', async () => {
    const network = { ...small, range: '10.228.4.0/26' };
    const { rig, bridged, isolated } = await left(network, 'nonat', { bridged: 2, isolated: 1 }, { nat: true });
    await using next = rig;
    const { networks } = next;
    // A machine on which nft is not installed any more.
    vi.stubEnv('PATH', next.folder);
    try {
      networks.keep(copy([...bridged, ...isolated]));
      await networks.start();
      expect(next.links).toEqual([]);
      expect(networks.notes()).toEqual([expect.stringContaining('NAT needs the program nft')]);
      expect(networks.bridged.reclaim(copy(bridged[0] as AddressLease))).toBeNull();
      expect(networks.isolated.reclaim(copy(isolated[0] as NamespaceLease))).toEqual(isolated[0]);
      await expect(networks.open()).rejects.toMatchObject({ errorClass: 'unavailable' });
    } finally {
      vi.unstubAllEnvs();
    }
    expect(next.links).toEqual([]);
  }, 60_000);
});
