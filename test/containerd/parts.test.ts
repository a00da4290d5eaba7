import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, describe, expect, it } from 'vitest';
import { ContainerdError } from '../../src/backends/containerd/client.js';
import { ContainerOutputs, type KeepablePipes } from '../../src/backends/containerd/output.js';
import { ContainerRoots } from '../../src/backends/containerd/roots.js';
import { runtimeSpec, type SpecOptions } from '../../src/backends/containerd/spec.js';
import { exitOf } from '../../src/backends/containerd/tasks.js';
import { seccompProfile } from '../../src/backends/oci/seccomp-profile.js';
import { native } from '../../src/native.js';
import { functionOf, planOf } from '../oci/plans.js';

const OWN: SpecOptions = { ownShim: true, shimSocket: '/data/shim.sock', seccomp: true, openFiles: 1024 };
const STOCK: SpecOptions = { ...OWN, ownShim: false };

interface Spec {
  readonly process: Record<string, unknown>;
  readonly root: unknown;
  readonly mounts: readonly { destination: string; type: string; options: readonly string[] }[];
  readonly annotations: Record<string, string>;
  readonly linux: { namespaces: readonly object[]; cgroupsPath?: string; seccomp?: unknown; resources?: unknown };
}

function specOf(plan = planOf(functionOf()), options = OWN): Spec {
  return runtimeSpec(plan, options) as Spec;
}

describe('the specification of a container', () => {
  it('is less than any default', () => {
    const { process, root, mounts, linux } = specOf();
    expect(process).toEqual({
      user: { uid: 1000, gid: 1001, additionalGids: [1002] },
      args: ['/init', 'program'],
      env: ['A=1', 'B=x=y'],
      cwd: '/work',
      capabilities: { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] },
      noNewPrivileges: true,
      oomScoreAdj: 1000,
      rlimits: [
        { type: 'RLIMIT_NOFILE', hard: 1024, soft: 1024 },
        { type: 'RLIMIT_CORE', hard: 0, soft: 0 },
      ],
    });
    expect(root).toEqual({ path: 'rootfs', readonly: true });
    expect(mounts.map(({ destination, type }) => [destination, type])).toEqual([
      ['/proc', 'proc'],
      ['/dev', 'tmpfs'],
      ['/dev/shm', 'tmpfs'],
      ['/tmp', 'tmpfs'],
      ['/usr', 'bind'],
      ['/iluvatar/sockets', 'bind'],
    ]);
    for (const { destination, options } of mounts) {
      expect([destination, options.includes('nosuid')]).toEqual([destination, true]);
      if (destination !== '/dev')
        expect([destination, options]).toEqual([destination, expect.arrayContaining(['nosuid'])]);
    }
    expect(mounts.find(({ destination }) => destination === '/usr')?.options).toEqual([
      'rbind',
      'ro',
      'nosuid',
      'nodev',
    ]);
    expect(mounts.find(({ destination }) => destination === '/tmp')?.options).toContain('size=8m');
    expect(linux.cgroupsPath).toBe('/iluvatar/worker.containerd/c7');
    expect(linux.resources).toBeUndefined();
  });

  it('has a writable root where the function asks for one, and a cgroup only where there is one', () => {
    const { root, linux } = specOf(planOf(functionOf({}, { readOnlyRoot: false }), { cgroupPath: '' }));
    expect(root).toEqual({ path: 'rootfs', readonly: false });
    expect(linux).not.toHaveProperty('cgroupsPath');
  });

  it.each([
    ['none', null, [{ type: 'network' }]],
    ['none', '/ns/isolated-1', [{ type: 'network', path: '/ns/isolated-1' }]],
    ['bridge', '/ns/b0-5', [{ type: 'network', path: '/ns/b0-5' }]],
    ['host', null, []],
  ] as const)('has the network %s, %s', (network, path, expected) => {
    const given = path === null ? null : { name: 'lease', path, address: null };
    const { linux } = specOf(planOf(functionOf({ network }), { network: given }));
    expect(linux.namespaces).toEqual([
      { type: 'pid' },
      { type: 'ipc' },
      { type: 'uts' },
      { type: 'mount' },
      ...expected,
    ]);
  });

  it.each([
    ['none', 'default', false],
    ['bridge', 'links', true],
    ['host', 'links', true],
  ] as const)('filters system calls with the network %s', (network, name, links) => {
    const plan = planOf(functionOf({ network }));
    const own = specOf(plan);
    expect(own.annotations).toEqual({ 'dev.iluvatar.shim': '/data/shim.sock', 'dev.iluvatar.seccomp': name });
    expect(own.linux.seccomp).toBeUndefined();
    const stock = specOf(plan, STOCK);
    expect(stock.annotations).toEqual({});
    expect(stock.linux.seccomp).toEqual(seccompProfile(links));
  });

  it('has no filter where that is switched off', () => {
    const off = { seccomp: false };
    expect(specOf(undefined, { ...OWN, ...off }).annotations['dev.iluvatar.seccomp']).toBe('off');
    expect(specOf(undefined, { ...STOCK, ...off }).linux.seccomp).toBeUndefined();
  });
});

describe('the root of a container', () => {
  const folder = mkdtempSync(join(tmpdir(), 'iluvatar-roots-'));
  const roots = new ContainerRoots(folder);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const bind = { type: 'bind', source: '/layer/1', target: '', options: ['ro', 'rbind'] };
  const overlay = { type: 'overlay', source: 'overlay', target: '', options: ['index=off', 'lowerdir=/l/2:/l/1'] };

  it('is the image’s own where it is read-only', async () => {
    await roots.prepare('c1', true);
    expect(roots.mounts('c1', [overlay], true)).toEqual([overlay]);
    expect(existsSync(join(folder, 'c1'))).toBe(false);
  });

  it.each([
    ['one layer', bind, '/layer/1'],
    ['several', overlay, '/l/2:/l/1'],
  ])('is a folder of its own above %s, until it is removed', async (_what, view, lower) => {
    await roots.prepare('c2', false);
    const [mount] = roots.mounts('c2', [view], false);
    const own = join(folder, 'c2');
    expect(mount).toMatchObject({ type: 'overlay', source: 'overlay' });
    expect(mount?.options).toEqual(
      expect.arrayContaining([`lowerdir=${lower}`, `upperdir=${own}/fs`, `workdir=${own}/work`]),
    );
    expect(statSync(join(own, 'fs')).mode & 0o777).toBe(0o755);
    await roots.remove('c2');
    await roots.remove('c2');
    expect(existsSync(own)).toBe(false);
  });
});

describe('the roots of containers that an earlier process made', () => {
  const folder = mkdtempSync(join(tmpdir(), 'iluvatar-roots-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('go with them', async () => {
    await new ContainerRoots(folder).prepare('c1', false);
    const next = new ContainerRoots(folder);
    await next.open();
    expect(existsSync(join(folder, 'c1'))).toBe(true);
    await next.remove('c1');
    expect(existsSync(join(folder, 'c1'))).toBe(false);
  });
});

describe('the output of containers', () => {
  const folder = mkdtempSync(join(tmpdir(), 'iluvatar-output-'));
  const open: ContainerOutputs[] = [];
  afterAll(() => {
    for (const outputs of open) outputs.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const opened = (kept: string[] = []): ContainerOutputs => {
    const outputs = new ContainerOutputs(folder);
    open.push(outputs);
    outputs.open(kept);
    return outputs;
  };

  it('is read on by whoever has copies of its pipes, and those made later have other folders', async () => {
    const first = opened();
    const paths = first.take('c1', () => {});
    const { folder: own, fds } = first.keepable('c1') as KeepablePipes;
    const copies = fds.map((fd) => native().system.duplicate(fd));
    writeFileSync(join(folder, 'stray'), '');

    const heard: string[] = [];
    const next = opened([own]);
    expect(readdirSync(folder)).toEqual([own]);
    next.adopt('c1', { folder: own, fds: copies }, (stream, chunk) => heard.push(`${stream} ${chunk}`));
    // Two readers would share what comes.
    first.close();
    expect(next.inUse).toBe(1);
    expect(next.keepable('c1')).toEqual({ folder: own, fds: copies });
    for (const [i, stream] of ['stdout', 'stderr'].entries()) writeSync(copies[i] as number, `to ${stream}`);
    await expect.poll(() => [...heard].sort()).toEqual(['stderr to stderr', 'stdout to stdout']);
    expect(next.take('c2', () => {}).stdout).not.toBe(paths.stdout);
  });

  it('is not kept of whom it does not know, and nothing but two pipes is taken over', () => {
    const outputs = opened();
    expect(outputs.keepable('c9')).toBeNull();
    const fd = openSync('/dev/null', 'r');
    expect(() => outputs.adopt('c9', { folder: '1', fds: [fd] }, () => {})).toThrow();
    expect(() => closeSync(fd)).toThrow(/EBADF/);
    expect(outputs.inUse).toBe(0);
  });
});

describe('what containerd says', () => {
  it.each([
    [0, { code: 0, signal: 0, outOfMemory: false }],
    [3, { code: 3, signal: 0, outOfMemory: false }],
    [128, { code: 128, signal: 0, outOfMemory: false }],
    [137, { code: 0, signal: 9, outOfMemory: false }],
    [192, { code: 0, signal: 64, outOfMemory: false }],
    [193, { code: 193, signal: 0, outOfMemory: false }],
    [255, { code: 255, signal: 0, outOfMemory: false }],
  ])('of an exit with status %d', (given, exit) => {
    expect(exitOf(given)).toEqual(exit);
  });

  it.each([
    [status.UNAVAILABLE, 'away', { unavailable: true, transient: true, notFound: false }],
    [status.DEADLINE_EXCEEDED, 'late', { unavailable: true, transient: true }],
    [status.ABORTED, 'locked', { unavailable: false, transient: true }],
    [status.RESOURCE_EXHAUSTED, 'full', { unavailable: false, transient: true }],
    [status.UNKNOWN, 'ttrpc: closed: unknown', { unavailable: false, transient: true }],
    [status.UNKNOWN, 'no such program', { unavailable: false, transient: false }],
    [status.INTERNAL, 'a bug', { unavailable: false, transient: false }],
    [status.NOT_FOUND, 'gone', { notFound: true, transient: false }],
    [status.ALREADY_EXISTS, 'there', { alreadyExists: true, transient: false }],
  ])('of a failed call with code %d', (code, details, kinds) => {
    expect(new ContainerdError('Tasks.Create', { code, details })).toMatchObject({
      ...kinds,
      message: `containerd: Tasks.Create: ${details}`,
    });
  });
});
