import { execFileSync } from 'node:child_process';
import { closeSync, constants, existsSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { decode, encode, number } from '../support/protobuf.js';
import { describeWith } from '../support/requirement.js';
import { ShimWorld, type Spec, shim, until } from './harness.js';

/** A container's life through our shim, as containerd and its clients see it. */
describeWith({ root: true, cgroups: true, command: ['containerd', 'gcc'], file: shim }, 'the containerd shim', () => {
  let world: ShimWorld;

  beforeAll(async () => {
    world = new ShimWorld();
    await world.open();
  });
  afterAll(() => world.close());

  it('tells the exit status, and each step as an event, in order', async () => {
    const made = world.spec(['exit', '42']);
    const pid = await world.create(made);
    expect(readFileSync(`/proc/${pid}/comm`, 'utf8')).toMatch(/^containerd-shim/);
    await world.start(made.id);
    expect(await world.wait(made.id)).toBe(42);
    await world.delete(made.id);
    const seen = () => world.containerd.events.filter((event) => event.container === made.id);
    await until(() => seen().some((event) => event.topic === '/tasks/delete'), 'the events');
    const topics = seen().map((event) => event.topic);
    // containerd publishes some of them a second time, itself.
    expect(topics.filter((topic, index) => topics.indexOf(topic) === index)).toEqual([
      '/tasks/create',
      '/tasks/start',
      '/tasks/exit',
      '/tasks/delete',
    ]);
    expect(seen().find((event) => event.topic === '/tasks/exit')?.status).toBe(42);
  });

  it('delivers signals, and says what ended the process', async () => {
    const handled = world.spec(['terminate']);
    await world.create(handled);
    await world.start(handled.id);
    await until(() => /SigCgt:\s+0*4000$/m.test(status(world, handled.id)), 'the handler');
    await world.kill(handled.id, 15);
    expect(await world.wait(handled.id)).toBe(115);
    await expect(world.kill(handled.id, 9)).rejects.toMatchObject({ code: 5 });
    await world.delete(handled.id);

    const killed = world.spec(['orphans']);
    await world.create(killed);
    await world.start(killed.id);
    await until(() => world.pids('inside orphans').length === 6, 'its children');
    const listed = await world.task('ListPids', [[1, killed.id]]);
    expect(listed.get(1)).toHaveLength(6);
    await world.kill(killed.id, 9);
    expect(await world.wait(killed.id)).toBe(137);
    await world.delete(killed.id);
    expect(world.pids('inside orphans')).toEqual([]);
  });

  it('deletes one that was never started, and not one that runs', async () => {
    const held = world.spec(['sleep']);
    const pid = await world.create(held);
    await world.delete(held.id);
    expect(existsSync(`/proc/${pid}`)).toBe(false);

    const running = world.spec(['sleep']);
    await world.create(running);
    await world.start(running.id);
    await expect(world.delete(running.id)).rejects.toMatchObject({ code: 9 });
    await expect(world.start(running.id)).rejects.toMatchObject({ code: 9 });
    await world.kill(running.id, 9);
    await world.wait(running.id);
    await world.delete(running.id);
    await expect(world.wait(running.id)).rejects.toMatchObject({ code: 5 });
  });

  it('writes what it says to files, and to fifos that nobody reads', async () => {
    expect(await world.output(['say', 'hello'])).toBe('hello\nhello, too\n');
    const fifo = join(world.containerd.folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const fd = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
    expect(await world.run(['say', 'hello'], { stdout: fifo })).toBe(0);
    const buffer = Buffer.alloc(100);
    expect(buffer.toString('utf8', 0, readSync(fd, buffer))).toBe('hello\n');
    closeSync(fd);
    expect(await world.run(['say', 'hello'], { stdout: fifo })).toBe(0);
  });

  it('makes a root from an overlay that the host never sees', async () => {
    const folders = ['lower', 'upper', 'work'].map((name) => join(world.containerd.folder, name));
    execFileSync('mkdir', folders);
    execFileSync('cp', ['-a', `${world.root}/.`, folders[0] as string]);
    const made = world.spec(['look'], (spec: Spec) => {
      spec.root = { path: 'rootfs', readonly: false };
      spec.process.user = { uid: 0, gid: 0 };
    });
    const overlay = encode([
      [1, 'overlay'],
      [2, 'overlay'],
      [4, `lowerdir=${folders[0]}`],
      [4, `upperdir=${folders[1]}`],
      [4, `workdir=${folders[2]}`],
    ]);
    const out = join(world.containerd.folder, 'overlay-out');
    await world.create(made, { stdout: `file://${out}` }, [[3, overlay]]);
    expect(world.mounts()).toEqual([]);
    await world.start(made.id);
    expect(await world.wait(made.id)).toBe(0);
    await world.delete(made.id);
    expect(readFileSync(out, 'utf8')).toMatch(/^write_root=0$/m);
    expect(existsSync(join(folders[1] as string, 'x'))).toBe(true);
    expect(existsSync(join(folders[0] as string, 'x'))).toBe(false);
  });

  it('makes a root from a bind, read-only when the mount says so', async () => {
    const made = world.spec(['look'], (spec: Spec) => {
      spec['root'] = { path: 'rootfs', readonly: false };
      spec.process['user'] = { uid: 0, gid: 0 };
    });
    const bind = encode([
      [1, 'bind'],
      [2, world.root],
      [4, 'rbind'],
      [4, 'ro'],
    ]);
    const out = join(world.containerd.folder, 'bind-out');
    await world.create(made, { stdout: `file://${out}` }, [[3, bind]]);
    await world.start(made.id);
    expect(await world.wait(made.id)).toBe(0);
    await world.delete(made.id);
    expect(readFileSync(out, 'utf8')).toMatch(/^write_root=30$/m);
    expect(existsSync(join(world.root, 'x'))).toBe(false);
  });

  it.each<[string, RegExp, (spec: Spec) => void]>([
    [
      'limits of its own',
      /linux\.resources is not supported/,
      (spec) => {
        spec.linux['resources'] = { pids: { limit: 5 } };
      },
    ],
    [
      'a system-call filter',
      /linux\.seccomp is not supported/,
      (spec) => {
        spec.linux['seccomp'] = { defaultAction: 'SCMP_ACT_ERRNO' };
      },
    ],
    [
      'hooks',
      /hooks is not supported/,
      (spec) => {
        spec['hooks'] = { prestart: [{ path: '/bin/true' }] };
      },
    ],
    [
      'an AppArmor profile',
      /process\.apparmorProfile is not supported/,
      (spec) => {
        spec.process['apparmorProfile'] = 'docker-default';
      },
    ],
    [
      'a user namespace',
      /linux\.namespaces: user is not supported/,
      (spec) => {
        spec.linux['namespaces'] = [{ type: 'pid' }, { type: 'mount' }, { type: 'user' }];
      },
    ],
    [
      'a capability that leads to the host',
      /CAP_SYS_ADMIN/,
      (spec) => {
        spec.process['capabilities'] = { bounding: ['CAP_SYS_ADMIN'] };
      },
    ],
    [
      'a cgroup that nobody made',
      /linux\.cgroupsPath .*No such file/,
      (spec) => {
        spec.linux['cgroupsPath'] = '/iluvatar-nowhere/x';
      },
    ],
    [
      'a program that is not there',
      /execute missing: No such file/,
      (spec) => {
        spec.process['args'] = ['missing'];
      },
    ],
    [
      'no protection against setuid programs, with our filter',
      /noNewPrivileges must be true/,
      (spec) => {
        spec.process['noNewPrivileges'] = false;
      },
    ],
  ])('refuses %s, and leaves nothing of it', async (_what, sentence, change) => {
    const made = world.spec(['sleep'], change);
    await expect(world.create(made)).rejects.toThrow(sentence);
    expect(existsSync(world.bundle(made.id))).toBe(false);
    expect(world.pids('inside')).toEqual([]);
    await world.containerd.call('containerd.services.containers.v1.Containers', 'Delete', [[1, made.id]]);
  });

  it('says that it has no exec, no pause and no second process', async () => {
    const made = world.spec(['sleep']);
    await world.create(made);
    await world.start(made.id);
    await expect(world.task('Pause', [[1, made.id]])).rejects.toMatchObject({ code: 12 });
    const state = decode((await world.task('Get', [[1, made.id]])).get(1)?.[0] as Buffer);
    expect(number(state, 4)).toBe(2);
    await world.kill(made.id, 9);
    await world.wait(made.id);
    await world.delete(made.id);
  });
});

function status(world: ShimWorld, id: string): string {
  const pid = world.pids('inside terminate')[0] ?? 0;
  return existsSync(world.bundle(id)) && pid !== 0 ? readFileSync(`/proc/${pid}/status`, 'utf8') : '';
}
