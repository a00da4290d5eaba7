import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeWith } from '../support/requirement.js';
import { leaveBehind } from './support/killed-worker.js';
import { knock, NetworksRig, taken } from './support/rig.js';

/** Many at once, and what becomes of them: real namespaces on real bridges. */
describeWith({ root: true, command: 'python3' }, 'networks of many containers', () => {
  it('are 1,100 at once on two bridges, each answers at its address, and then all are gone', async () => {
    const pool = { low: 0, high: 1 };
    await using rig = new NetworksRig({ range: '10.224.0.0/18', bridges: 2, portsPerBridge: 1000, pool });
    const { networks } = await rig.open();
    const leases = await Promise.all(Array.from({ length: 1100 }, () => taken(networks.bridged)));
    expect(new Set(leases.map(({ address }) => address)).size).toBe(1100);
    expect(networks.counters()).toMatchObject({ networkBridges: 2, networksInUse: 1100, networksFailed: 0 });
    const answers: Record<string, number> = {};
    for (let at = 0; at < leases.length; at += 50) {
      for (const answer of await Promise.all(leases.slice(at, at + 50).map(knock)))
        answers[answer] = (answers[answer] ?? 0) + 1;
    }
    expect(answers).toEqual({ ECONNREFUSED: 1100 });
    // None of it was learned: the host was told.
    const known = new Set(rig.neighbours);
    expect(leases.filter(({ address }) => !known.has(address))).toEqual([]);
    const gone = leases.slice(0, 600);
    for (const lease of gone) networks.bridged.give(lease);
    await expect.poll(() => networks.counters()['networksInUse']).toBe(500);
    await expect.poll(() => rig.mounts.length, { timeout: 60_000 }).toBeLessThanOrEqual(501);
    const left = new Set(rig.neighbours);
    expect(gone.filter(({ address }) => left.has(address))).toEqual([]);
    await networks.stop();
    expect([rig.links, rig.mounts, rig.neighbours, rig.warnings]).toEqual([[], [], [], []]);
  }, 240_000);

  it('of a worker that was killed are gone when the next of its name begins, which has every address anew', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ilu-net-'));
    const network = { range: '10.225.0.0/26', bridges: 2, portsPerBridge: 6, pool: { low: 0, high: 2 } };
    await using next = new NetworksRig(network, 'killed', folder);
    await leaveBehind(network, 'killed', folder, { bridged: 8 });
    expect(next.links.length).toBeGreaterThanOrEqual(10);
    await next.networks.start();
    expect([next.links, next.mounts]).toEqual([[], []]);
    await next.networks.open();
    const leases = await Promise.all(Array.from({ length: 12 }, () => taken(next.networks.bridged)));
    expect(new Set(leases.map(({ address }) => address)).size).toBe(12);
    expect(await Promise.all(leases.map(knock))).toEqual(leases.map(() => 'ECONNREFUSED'));
    await expect(taken(next.networks.bridged)).rejects.toMatchObject({ errorClass: 'overloaded' });
    await next.networks.stop();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  it('of two workers on one range have no address in common, and each knows how many it has', async () => {
    const network = { range: '10.226.0.0/28', bridges: 9, portsPerBridge: 5, pool: { low: 0, high: 1 } };
    await using one = await new NetworksRig(network, 'one').open();
    await using two = await new NetworksRig(network, 'two').open();
    expect([one.counts.at(-1), two.counts.at(-1)]).toEqual([10, 5]);
    const leases = [];
    for (let i = 0; i < 5; i++) {
      for (const { networks } of [one, two]) leases.push(await taken(networks.bridged));
    }
    expect(new Set(leases.map(({ address }) => address)).size).toBe(10);
    expect(await Promise.all(leases.map(knock))).toEqual(leases.map(() => 'ECONNREFUSED'));
    // What the first could have had at its start is the second's now.
    await expect(taken(one.networks.bridged)).rejects.toMatchObject({ errorClass: 'overloaded' });
    expect([one.counts.at(-1), two.counts.at(-1)]).toEqual([5, 5]);
  });

  it('without links are lent from a pool of their own, entered by path, and never twice', async () => {
    await using rig = new NetworksRig({ isolatedPool: { low: 1, high: 3 } });
    const { networks } = rig;
    await networks.start();
    const first = await taken(networks.isolated);
    expect(first).toMatchObject({ address: null });
    await expect.poll(() => networks.counters()['isolatedNetworksReady']).toBe(3);
    let second = null as typeof first | null;
    networks.isolated.take((lease) => {
      second = lease;
    }, true);
    expect(second).not.toBeNull();
    const path = join(networks.folder, first.name);
    const seen = spawn('nsenter', [`--net=${path}`, 'cat', '/proc/self/net/dev']);
    let text = '';
    seen.stdout.on('data', (chunk) => {
      text += chunk;
    });
    await once(seen, 'close');
    expect(text.match(/^ *(\S+):/gm)?.map((name) => name.trim())).toEqual(['lo:']);
    networks.isolated.give(first);
    await expect.poll(() => rig.mounts.some((line) => line.includes(`${first.name} `))).toBe(false);
    const names = new Set([first.name]);
    for (let i = 0; i < 8; i++) {
      const lease = await taken(networks.isolated);
      names.add(lease.name);
      networks.isolated.give(lease);
    }
    expect(names.size).toBe(9);
    expect(rig.links).toEqual([]);
    await networks.stop();
    expect([rig.mounts, readFileSync('/proc/self/mounts', 'utf8').includes(rig.folder)]).toEqual([[], false]);
  });
});
