import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ContainerDetails } from '../../src/backends/docker/api.js';
import type { DockerImage } from '../../src/backends/docker/images.js';
import { withUncountedKills } from '../../src/backends/oci/uncounted-kills.js';
import { native } from '../../src/native.js';
import { DockerDaemon } from '../support/docker-daemon.js';
import { describeWith } from '../support/requirement.js';
import { DOCKER, EngineHarness, type TestImage, testImage } from './harness.js';

/** Docker as an engine, against a daemon of its own. */

describeWith(DOCKER, 'the Docker engine', () => {
  let daemon: DockerDaemon;
  let harness: EngineHarness;
  let images: TestImage;
  let image: DockerImage;

  beforeAll(async () => {
    images = testImage();
    daemon = await DockerDaemon.start();
    harness = new EngineHarness(daemon.socket);
    await harness.start();
    image = await harness.engine.importImage(await images.named('iluvatar.local/test:1'), () => {});
  });

  afterAll(async () => {
    await harness?.close();
    await daemon?.close();
    images?.remove();
  });

  const inspect = (name: string): Promise<ContainerDetails> => harness.client.call('GET', `/containers/${name}/json`);

  it('runs a program to its end, with all that it wrote', async () => {
    const plan = await harness.run(image, ['print', '1000']);
    expect(await harness.events.exit(plan.name)).toEqual({ code: 0, signal: 0, outOfMemory: false });
    const { stdout, stderr } = harness.events.outputOf(plan.name);
    expect(stdout.trim().split('\n')).toEqual(Array.from({ length: 1000 }, (_, i) => `line ${i}`));
    expect(stderr.trim().split('\n')).toHaveLength(10);
    await harness.remove(plan);
    expect(await harness.engine.list()).toEqual([]);
  });

  it('tells how it ended', async () => {
    const exits = await harness.run(image, ['exit', '42']);
    const killed = await harness.run(image, ['crash']);
    expect(await harness.events.exit(exits.name)).toEqual({ code: 42, signal: 0, outOfMemory: false });
    expect(await harness.events.exit(killed.name)).toEqual({ code: 139, signal: 11, outOfMemory: false });
    await harness.remove(exits);
    await harness.remove(killed);
    expect(harness.events.exits.get(exits.name)).toHaveLength(1);
  });

  it('knows its first process', async () => {
    const plan = harness.plan(image, ['sleep']);
    await harness.engine.create(plan);
    const pid = await harness.engine.run(plan);
    expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).toBe('/program\0sleep\0');
    // Below the cgroup that was made for it.
    for (const line of readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n')) {
      if (!line.startsWith('0::')) expect(line).toContain(`:${plan.cgroupPath}/`);
    }
    await harness.remove(plan);
    expect(existsSync(`/proc/${pid}`)).toBe(false);
  });

  it('leaves the evidence of an overrun of memory in the cgroup that was made for it', async () => {
    const mounts = native()
      .cgroup.mounts()
      .filter(({ controllers }) => controllers.some((name) => ['memory', 'cpu', 'cpuacct', 'pids'].includes(name)));
    for (const [program, ends] of [
      ['eat', { code: 137, signal: 9 }],
      ['child-eats', { code: 7, signal: 0 }],
    ] as const) {
      const plan = await harness.run(image, [program], { definition: { memoryMb: 20 } });
      const exit = await harness.events.exit(plan.name);
      expect(exit).toMatchObject(ends);
      // Docker does not always hear of it.
      expect([true, ends.signal === 9 ? null : false]).toContain(exit.outOfMemory);
      const versions = mounts.map(({ version }) => version);
      const evidence = native().cgroup.evidence([...plan.cgroupDirs], versions);
      expect(evidence.limitBytes).toBe(20 * 1024 * 1024);
      expect(evidence.peakBytes).toBeGreaterThan(19 * 1024 * 1024);
      expect(evidence.limitHits).toBeGreaterThan(0);
      for (const said of [true, null]) expect(withUncountedKills(evidence, said, false).oomKills).toBe(1);
      await harness.remove(plan);
    }
  });

  it('says in `docker inspect` what holds', async () => {
    const bound = join(images.folder, 'a folder: with a colon');
    mkdirSync(bound, { recursive: true });
    const plan = await harness.run(image, ['sleep'], {
      definition: { memoryMb: 64, cpus: 0.5, pids: 33 },
      fn: { binds: [{ source: bound, target: '/bound' }] },
      env: { COLOUR: 'green' },
    });
    const details = (await inspect(plan.name)) as unknown as {
      HostConfig: Record<string, unknown> & { SecurityOpt: string[] };
      Config: Record<string, unknown> & { Env: string[] };
      Mounts: { Source: string; Destination: string; RW: boolean }[];
      NetworkSettings: { Networks: Record<string, { IPAddress: string }> };
    };
    expect(details.HostConfig).toMatchObject({
      Memory: 64 * 1024 * 1024,
      MemorySwap: 64 * 1024 * 1024,
      CpuPeriod: 100_000,
      CpuQuota: 50_000,
      PidsLimit: 33,
      CgroupParent: plan.cgroupPath,
      NetworkMode: 'none',
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      CapAdd: null,
      Privileged: false,
      IpcMode: 'private',
      PidMode: '',
      AutoRemove: false,
      OomScoreAdj: 1000,
      LogConfig: { Type: 'none' },
    });
    expect(details.HostConfig.SecurityOpt[0]).toBe('no-new-privileges');
    expect(details.HostConfig.SecurityOpt[1]).toContain('seccomp={"defaultAction":"SCMP_ACT_ALLOW"');
    expect(details.Config).toMatchObject({
      User: '1234:1234',
      Entrypoint: ['/program', 'sleep'],
      Labels: { 'dev.iluvatar.worker': harness.scope, 'dev.iluvatar.function': 'test@1' },
    });
    expect(details.Config.Env).toContain('COLOUR=green');
    expect(details.Mounts.map(({ Source, Destination, RW }) => [Source, Destination, RW]).sort()).toEqual(
      [
        [bound, '/bound', false],
        [plan.sockets, '/iluvatar/sockets', false],
      ].sort(),
    );
    expect(Object.keys(details.NetworkSettings.Networks)).toEqual(['none']);
    const { Pid } = (await inspect(plan.name)).State;
    const status = readFileSync(`/proc/${Pid}/status`, 'utf8');
    for (const line of ['NoNewPrivs:\t1', 'Seccomp:\t2', 'CapEff:\t0000000000000000', 'CapBnd:\t0000000000000000']) {
      expect(status).toContain(line);
    }
    await harness.remove(plan);
  });

  it('refuses from inside what a function has no business with', async () => {
    const bound = join(images.folder, 'bound');
    mkdirSync(bound, { recursive: true, mode: 0o777 });
    const attempts = async (network: 'none' | 'host'): Promise<Record<string, string>> => {
      const plan = await harness.run(image, ['attempts'], {
        definition: { network },
        fn: { binds: [{ source: bound, target: '/bound' }] },
      });
      expect(await harness.events.exit(plan.name)).toMatchObject({ code: 0 });
      const lines = harness.events.outputOf(plan.name).stdout.trim().split('\n');
      await harness.remove(plan);
      return Object.fromEntries(lines.map((line) => line.split(' ') as [string, string]));
    };
    const [EPERM, ENOENT, EROFS, ENOSYS, EAFNOSUPPORT] = ['1', '2', '30', '38', '97'];
    const alone = await attempts('none');
    expect(alone).toMatchObject({
      'write-root': EROFS,
      'write-tmp': '0',
      'write-sockets': EROFS,
      'write-bind': EROFS,
      mount: EPERM,
      unshare: EPERM,
      'clone-user': EPERM,
      clone3: ENOSYS,
      ptrace: EPERM,
      keyctl: EPERM,
      io_uring: EPERM,
      setuid: EPERM,
      chown: EPERM,
      'personality-query': '0',
      'personality-uname26': '0',
      'personality-no-random': EPERM,
      'personality-high': EPERM,
      'ioctl-inject': EPERM,
      'ioctl-inject-high': EPERM,
      'socket-unix': '0',
      'socket-inet': '0',
      'socket-inet6': '0',
      'socket-netlink': EAFNOSUPPORT,
      'socket-audit': EAFNOSUPPORT,
      'socket-packet': EAFNOSUPPORT,
      'socket-vsock': EAFNOSUPPORT,
      'dev-mem': ENOENT,
    });
    const linked = await attempts('host');
    expect(linked).toMatchObject({
      'socket-netlink': '0',
      'socket-audit': EAFNOSUPPORT,
      'socket-packet': EAFNOSUPPORT,
    });
  });

  it('fails what cannot be started, and leaves nothing of it', async () => {
    const nothing = harness.plan(image, []);
    const plan = {
      ...nothing,
      fn: { ...nothing.fn, process: { ...nothing.fn.process, argv: ['/no/such/program'] } },
    };
    await harness.engine.create(plan);
    await expect(harness.engine.run(plan)).rejects.toThrow(/no such file/);
    await harness.remove(plan);
    const unbound = harness.plan(image, [], { fn: { binds: [{ source: '/no/such/folder', target: '/bound' }] } });
    await expect(harness.engine.create(unbound)).rejects.toThrow(/no\/such\/folder/);
    await harness.remove(unbound);
    const gone = harness.plan({ id: `sha256:${'0'.repeat(64)}`, kept: false }, []);
    await expect(harness.engine.create(gone)).rejects.toMatchObject({ errorClass: 'unavailable' });
    await harness.remove(gone);
    expect(await harness.engine.list()).toEqual([]);
    expect(harness.events.exits.get(plan.name)).toBeUndefined();
  });

  it('says what is missing where a GPU is wanted', async () => {
    const plan = harness.plan(image, ['sleep'], {
      definition: { devices: ['gpu'] },
      env: { CUDA_VISIBLE_DEVICES: '1' },
    });
    await harness.engine.create(plan);
    await expect(harness.engine.run(plan)).rejects.toMatchObject({
      errorClass: 'unavailable',
      message: expect.stringContaining('NVIDIA container toolkit'),
    });
    await harness.remove(plan);
  });

  it('removes in every state, any number of times, and what is not there', async () => {
    const created = harness.plan(image, ['sleep']);
    await harness.engine.create(created);
    const running = await harness.run(image, ['sleep']);
    const ended = await harness.run(image, ['exit', '0']);
    await harness.events.exit(ended.name);
    for (const plan of [created, running, ended]) {
      await Promise.all([harness.remove(plan), harness.remove(plan)]);
      await harness.remove(plan);
    }
    await harness.engine.remove(`${harness.scope}-never`);
    expect(await harness.engine.list()).toEqual([]);
  });

  it('does not touch what is not its own', async () => {
    const name = `${harness.scope}-other`;
    const body = { Image: image.id, Entrypoint: ['/program', 'sleep'], HostConfig: { NetworkMode: 'none' } };
    await harness.client.call('POST', '/containers/create', { query: { name }, body });
    expect(await harness.engine.list()).toEqual([]);
    await harness.engine.remove(name);
    // Its name is taken: the container of that name is still not ours.
    const plan = { ...harness.plan(image, ['sleep']), name };
    await expect(harness.engine.create(plan)).rejects.toMatchObject({ conflict: true });
    expect((await inspect(name)).Id).toMatch(/^[0-9a-f]{64}$/);
    await harness.client.call('DELETE', `/containers/${name}`, { query: { force: true } });
  });

  it('removes the parents of cgroups that Docker made in hierarchies of no use to the worker', async () => {
    const plan = await harness.run(image, ['sleep']);
    const extra = ['devices', 'freezer', 'systemd'].map((name) => join('/sys/fs/cgroup', name, plan.cgroupPath));
    const made = extra.filter((path) => existsSync(path));
    await harness.remove(plan);
    for (const path of made) expect(existsSync(path)).toBe(false);
    for (const dir of plan.cgroupDirs) expect(existsSync(dir)).toBe(false);
  });

  it('passes on all that a container writes, and Docker keeps none of it', async () => {
    const plan = await harness.run(image, ['print', '200000']);
    expect(await harness.events.exit(plan.name)).toMatchObject({ code: 0 });
    const lines = harness.events.outputOf(plan.name).stdout.trim().split('\n');
    expect(lines).toHaveLength(200_000);
    expect(lines.at(-1)).toBe('line 199999');
    const { Id } = await inspect(plan.name);
    const kept = readdirSync(join(daemon.folder, 'data', 'containers', Id));
    expect(kept.filter((file) => file.includes('json.log') || file === 'local-logs')).toEqual([]);
    await harness.remove(plan);
  });

  it('lets a container wait that writes more than is read', async () => {
    const name = `${harness.scope}-unread`;
    const HostConfig = { NetworkMode: 'none', LogConfig: { Type: 'none' } };
    const body = { Image: image.id, Entrypoint: ['/program', 'print', '2000000000'], AttachStdout: true, HostConfig };
    await harness.client.call('POST', '/containers/create', { query: { name }, body });
    const output = await harness.client.hijack(`/containers/${name}/attach`, { stream: true, stdout: true });
    await harness.client.call('POST', `/containers/${name}/start`);
    const { Pid } = (await inspect(name)).State;
    const written = (): number => Number(/^wchar: (\d+)/m.exec(readFileSync(`/proc/${Pid}/io`, 'utf8'))?.[1]);
    let before = -1;
    await expect
      .poll(
        () => {
          const now = written();
          const still = now > 0 && now === before;
          before = now;
          return still;
        },
        { interval: 500, timeout: 30_000 },
      )
      .toBe(true);
    expect(before).toBeLessThan(16 * 1024 * 1024);
    output.resume();
    await expect.poll(written, { timeout: 10_000 }).toBeGreaterThan(before);
    output.destroy();
    await harness.client.call('DELETE', `/containers/${name}`, { query: { force: true } });
  });

  it('makes sixteen at once', async () => {
    const plans = await Promise.all(Array.from({ length: 16 }, (_, n) => harness.run(image, ['exit', `${n}`])));
    const exits = await Promise.all(plans.map(({ name }) => harness.events.exit(name)));
    expect(exits.map(({ code }) => code)).toEqual(plans.map((_, n) => n));
    await Promise.all(plans.map((plan) => harness.remove(plan)));
    expect(await harness.engine.list()).toEqual([]);
  });
});
