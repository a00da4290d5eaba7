import { readdirSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWith } from '../support/requirement.js';
import { namespaceOf, ShimWorld, type Spec, shim } from './harness.js';

/** What a container of our shim sees of the machine, and what it is refused. */
describeWith({ root: true, cgroups: true, command: ['containerd', 'gcc'], file: shim }, 'inside the shim', () => {
  const EPERM = 1;
  const EACCES = 13;
  const EROFS = 30;
  let world: ShimWorld;
  let seen = '';

  beforeAll(async () => {
    world = new ShimWorld();
    await world.open();
    seen = await world.output(['look']);
  });
  afterAll(() => world.close());

  const line = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(seen)?.[1]?.trim() ?? 'not there';

  it('is pid 1 and alone', () => {
    expect(seen).toMatch(/^pid=1 uid=1234 gid=2345$/m);
    const numbers = line('proc')
      .split(' ')
      .filter((name) => /^\d+$/.test(name));
    expect(numbers).toEqual(['1']);
    expect(seen).toMatch(/> Groups:\s+3456\s*$/m);
    expect(line('hostname')).toBe('within');
    expect(line('links')).toBe('lo');
  });

  it('has no descriptor but the first three, and the limits of its specification', () => {
    expect(line('fds')).toBe('0 1 2');
    expect(seen).toMatch(/> Max open files\s+100\s+200/);
  });

  it('sees no file of the host but what was bound, and that read-only', () => {
    expect(line('root').split(' ').sort()).toEqual(['bin', 'bound', 'dev', 'proc', 'sys', 'tmp']);
    expect(line('open_host')).toBe('2');
    expect(seen).toContain('/bound/file> of the host');
    expect(Number(line('write_bound'))).toBe(EROFS);
    expect(Number(line('write_root'))).toBe(EROFS);
    expect(Number(line('write_tmp'))).toBe(0);
    const points = [...seen.matchAll(/mountinfo> \S+ \S+ \S+ \S+ (\S+) (\S+) (.*)$/gm)];
    const paths = points.map((point) => point[1]);
    expect([...new Set(paths)].sort()).toEqual(
      ['/', '/bound', '/dev', '/dev/mqueue', '/dev/pts', '/proc', '/proc/keys', '/proc/sys', '/sys', '/tmp']
        .concat(paths.includes('/sys/firmware') ? ['/sys/firmware'] : [])
        .sort(),
    );
    // Shared with nobody, in either direction.
    for (const point of points) expect(point[3]).not.toMatch(/shared:|master:/);
  });

  it('has no device but the harmless ones, and cannot use what it makes', () => {
    const names = ['fd', 'full', 'mqueue', 'null', 'ptmx', 'pts', 'random', 'stderr', 'stdin', 'stdout', 'tty'];
    expect(line('dev').split(' ').sort()).toEqual([...names, 'urandom', 'zero'].sort());
    expect(line('open_null')).toBe('0');
    expect(line('open_disk')).not.toBe('0');
  });

  it('cannot look into what is masked nor write what is read-only', () => {
    expect(line('masked_bytes')).toBe('0');
    expect([EROFS, EACCES]).toContain(Number(line('write_sysctl')));
  });

  it('runs without capabilities, under our filter', () => {
    for (const set of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'])
      expect(seen).toMatch(new RegExp(`> Cap${set}:\\s+0+\\s*$`, 'm'));
    expect(seen).toMatch(/> NoNewPrivs:\s+1/);
    expect(seen).toMatch(/> Seccomp:\s+2/);
    for (const call of ['mount', 'unshare', 'keyctl', 'io_uring']) expect(Number(line(call))).toBe(EPERM);
    expect(line('socket_inet')).toBe('0');
    expect(line('socket_netlink')).toBe('97');
  });

  it('is in its own cgroups, and in none of the daemon', () => {
    const groups = [...seen.matchAll(/cgroup> \d+:(\S*):(\S+)$/gm)];
    const memory = groups.find((group) => group[1] === 'memory') ?? groups.find((group) => group[1] === '');
    expect(memory?.[2]).toMatch(/^\/iluvatar-shim-[0-9a-f]+\/c1$/);
    expect(Number(/oom_score_adj> (\S+)/.exec(seen)?.[1])).toBeGreaterThanOrEqual(0);
  });

  describe('as its specification says otherwise', () => {
    it('lets route sockets through, or filters nothing', async () => {
      const links = await world.output(['look'], (spec) => {
        spec.annotations['dev.iluvatar.seccomp'] = 'links';
      });
      expect(links).toMatch(/^socket_netlink=0$/m);
      const off = await world.output(['look'], (spec) => {
        spec.annotations['dev.iluvatar.seccomp'] = 'off';
      });
      expect(off).toMatch(/> Seccomp:\s+0/);
      // Still without the rights.
      expect(off).toMatch(/^mount=1$/m);
    });

    it('gives the capabilities it names, and no others', async () => {
      const named = ['CAP_NET_BIND_SERVICE', 'CAP_CHOWN'];
      const out = await world.output(['look'], (spec) => {
        spec.process['capabilities'] = {
          bounding: named,
          effective: named,
          permitted: named,
          inheritable: named,
          ambient: named,
        };
      });
      for (const set of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'])
        expect(out).toMatch(new RegExp(`> Cap${set}:\\s+0*401\\s*$`, 'm'));
    });

    it('shares a namespace that is given by path, or the host network when none is asked for', async () => {
      const first = world.spec(['sleep']);
      const pid = await world.create(first);
      const second = world.spec(['sleep'], (spec) => {
        spec.linux['namespaces'] = [
          { type: 'pid' },
          { type: 'mount' },
          { type: 'uts' },
          { type: 'network', path: `/proc/${pid}/ns/net` },
          { type: 'ipc', path: `/proc/${pid}/ns/ipc` },
        ];
      });
      const other = await world.create(second);
      for (const kind of ['net', 'ipc']) {
        expect(namespaceOf(other, kind)).toBe(namespaceOf(pid, kind));
        expect(namespaceOf(other, kind)).not.toBe(namespaceOf('self', kind));
      }
      expect(namespaceOf(other, 'pid')).not.toBe(namespaceOf(pid, 'pid'));
      const third = world.spec(['sleep'], (spec) => {
        spec.linux['namespaces'] = [{ type: 'pid' }, { type: 'mount' }, { type: 'uts' }, { type: 'ipc' }];
      });
      expect(namespaceOf(await world.create(third), 'net')).toBe(namespaceOf('self', 'net'));
      for (const made of [first, second, third]) await world.delete(made.id);
    });

    it('is not led out of its root by links of an image', async () => {
      const cover = (destination: string) => (spec: Spec) => {
        (spec['mounts'] as object[]).push({ destination, type: 'tmpfs', source: 'tmpfs', options: ['size=4k'] });
      };
      symlinkSync(world.bound, join(world.root, 'absolute'));
      symlinkSync('../../../../bound', join(world.root, 'relative'));
      try {
        // Inside the root there is nothing of that name.
        await expect(world.output(['look'], cover('/absolute'))).rejects.toThrow(/open mount point \/absolute/);
        expect(readdirSync(world.bound)).toEqual(['file']);
        // ".." stops at the root: it is the container's /bound that is covered.
        expect(await world.output(['look'], cover('/relative'))).not.toContain('of the host');
        await expect(world.output(['look'], cover('/proc/self/root/../../x'))).rejects.toThrow(
          /is not an absolute path/,
        );
      } finally {
        for (const name of ['absolute', 'relative']) unlinkSync(join(world.root, name));
      }
      expect(world.mounts()).toEqual([]);
    });
  });
});
