import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NamespaceRequest, native } from '../../src/native.js';
import { describeWith } from '../support/requirement.js';

/** The addon's netlink module on real links with names of the test's own. */

const { netlink } = native();
const own = `ilt${(process.pid % 46_656).toString(36).padStart(3, '0')}`;
const bridge = `${own}b`;
const MAC = '02:00:00:00:01:01';

function request(folder: string, number: number, more: Partial<NamespaceRequest> = {}): NamespaceRequest {
  return {
    path: join(folder, `n${number}`),
    hostLink: `${own}v${number}`,
    link: 'eth0',
    mac: `02:00:00:00:02:${number.toString(16).padStart(2, '0')}`,
    address: `10.219.0.${number}/24`,
    gateway: '10.219.0.1',
    gatewayMac: MAC,
    isolated: true,
    ...more,
  };
}

describeWith({ root: true }, 'netlink', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ilu-netlink-'));
  });
  afterAll(async () => {
    const left = (await netlink.links(own)).map(({ name }) => name);
    await netlink.removeNamespaces(
      readdirSync(folder).map((name) => join(folder, name)),
      left,
    );
    rmSync(folder, { recursive: true, force: true });
  });

  it('makes a bridge and namespaces on it, lists them, and removes them', async () => {
    await netlink.createBridge(bridge, MAC, '10.219.0.1/24');
    const requests = Array.from({ length: 5 }, (_, index) => request(folder, index + 2, { isolated: index > 0 }));
    expect(await netlink.createNamespaces(bridge, requests)).toEqual([null, null, null, null, null]);
    const links = await netlink.links(own);
    const master = links.find(({ name }) => name === bridge)?.index;
    expect(links.filter(({ kind }) => kind === 'veth')).toHaveLength(5);
    for (const link of links) {
      expect(link).toMatchObject(
        link.name === bridge
          ? { kind: 'bridge', master: 0, up: true, isolated: false, addresses: ['10.219.0.1/24'] }
          : { kind: 'veth', master, up: true, isolated: link.name !== `${own}v2`, addresses: [] },
      );
    }
    const paths = requests.map(({ path }) => path);
    const hostLinks = requests.map(({ hostLink }) => hostLink);
    await netlink.removeNamespaces(paths, [...hostLinks, bridge]);
    expect(await netlink.links(own)).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
    // What is gone already is fine.
    await netlink.removeNamespaces(paths, hostLinks);
    expect(await netlink.deleteLinks(hostLinks)).toBe(0);
  });

  it('names what was tried, on which link, and the errno', async () => {
    await expect(netlink.createNamespaces(`${own}x`, [request(folder, 2)])).resolves.toEqual([
      expect.objectContaining({ code: 'ENODEV', syscall: 'find link', path: expect.stringContaining(`${own}x`) }),
    ]);
    await netlink.createBridge(bridge, MAC, '10.219.0.1/24');
    try {
      await expect(netlink.createBridge(bridge, MAC, '10.219.0.1/24')).rejects.toMatchObject({
        code: 'EEXIST',
        syscall: 'create bridge',
        path: expect.stringContaining(bridge),
      });
      // The one that fails leaves nothing, and those beside it stand.
      writeFileSync(join(folder, 'n9'), '');
      const outcomes = await netlink.createNamespaces(bridge, [
        request(folder, 2),
        request(folder, 3, { hostLink: `${own}v2` }),
        request(folder, 9),
        request(folder, 4, { gateway: '10.220.0.1' }),
      ]);
      expect(outcomes).toEqual([
        null,
        expect.objectContaining({ code: 'EEXIST', syscall: 'create veth' }),
        expect.objectContaining({ code: 'EEXIST', syscall: 'create', path: join(folder, 'n9') }),
        expect.objectContaining({ code: 'ENETUNREACH', syscall: 'add default route' }),
      ]);
      expect((await netlink.links(`${own}v`)).map(({ name }) => name)).toEqual([`${own}v2`]);
      expect([existsSync(join(folder, 'n3')), existsSync(join(folder, 'n4'))]).toEqual([false, false]);
    } finally {
      await netlink.removeNamespaces([join(folder, 'n2'), join(folder, 'n9')], [`${own}v2`, bridge]);
    }
    expect(await netlink.links(own)).toEqual([]);
  });

  it('keeps the loop turning meanwhile', async () => {
    await netlink.createBridge(bridge, MAC, '10.219.0.1/24');
    const requests = Array.from({ length: 40 }, (_, index) => request(folder, index + 2));
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    try {
      await netlink.createNamespaces(bridge, requests);
      expect(turns).toBeGreaterThan(0);
    } finally {
      clearInterval(timer);
      await netlink.removeNamespaces(
        requests.map(({ path }) => path),
        [...requests.map(({ hostLink }) => hostLink), bridge],
      );
    }
  });
});

describe('netlink, arguments', () => {
  it('are checked before anything is tried', () => {
    expect(() => netlink.createBridge('a name of more than 15', MAC, '10.0.0.1/24')).toThrow(/read link name/);
    expect(() => netlink.createBridge('br', 'mac', '10.0.0.1/24')).toThrow(/read MAC/);
    expect(() => netlink.createBridge('br', MAC, '10.0.0.1')).toThrow(/read address/);
    expect(() => netlink.createBridge('br', MAC, '10.0.0.1/33')).toThrow(/read address/);
    for (const wrong of [{ hostLink: '' }, { link: 'a/b' }, { mac: '' }, { address: '' }, { gateway: 'x' }]) {
      expect(() => netlink.createNamespaces('br', [request('/none', 2, wrong)])).toThrow(
        expect.objectContaining({ code: 'EINVAL' }),
      );
    }
  });

  it('of a list need no rights', async () => {
    expect((await netlink.links('lo')).find(({ name }) => name === 'lo')).toMatchObject({ kind: '', index: 1 });
  });
});
