import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { native } from '../../src/native.js';
import { CANCEL, EXITED, encode, gone, isRoot, LOG, READY, Station, until } from './harness.js';

/** The sandbox with less than root's rights. Run as root these tests become the user `nobody`; else they run as who we are. */

const NOBODY = 65_534;
const support = native().system.sandboxSupport();
const uid = isRoot ? NOBODY : undefined;
const user = isRoot ? NOBODY : (process.getuid?.() ?? 0);

let station: Station;
beforeEach(async () => {
  station = await Station.open();
});
afterEach(() => station.close());

describe.skipIf(!support.userNamespaces)('an ordinary user with user namespaces', () => {
  it('gets the same view, under its own uid, and is told what is missing', async () => {
    const launcher = await station.launch({ ...(uid === undefined ? {} : { uid }) });
    expect(launcher.hello.off).toEqual([
      expect.stringMatching(/^cgroups: /),
      expect.stringMatching(`^uid: .* ${user}$`),
    ]);
    const script =
      'echo $$; id -u; ls -A /.host | wc -l; grep -E "^(CapEff|NoNewPrivs|Seccomp:)" /proc/self/status; tail -n +3 /proc/net/dev | cut -d: -f1; touch /x /usr/x; echo kept > /tmp/file; ls /proc | grep -c "^[0-9]"';
    const { stdout, stderr, exited, pid } = await station.run(launcher, script);
    const lines = stdout.split('\n').map((line) => line.trim());
    expect(lines.slice(0, 7)).toEqual([
      '2',
      `${user}`,
      '0',
      'CapEff:\t0000000000000000',
      'NoNewPrivs:\t1',
      'Seccomp:\t2',
      'lo',
    ]);
    expect(Number(lines[7])).toBeLessThanOrEqual(4);
    expect(stderr.match(/Read-only file system/g)).toHaveLength(2);
    expect(exited).toMatchObject({ x0: 0, x1: 0 });
    await gone(pid);
  });

  it('cannot end its supervisor, which has the same uid', async () => {
    const launcher = await station.launch({ ...(uid === undefined ? {} : { uid }) });
    const { stdout } = await station.run(
      launcher,
      'kill -9 1; kill -TERM 1; cat /proc/1/environ /proc/1/maps | wc -c; echo still',
    );
    expect(stdout).toMatch(/0\nstill\n$/);
  });

  it.skipIf(!isRoot)('works for root too, with uids of their own', async () => {
    const launcher = await station.launch({ userNamespace: 'on' });
    const { stdout } = await station.run(launcher, 'id -u; cat /proc/self/uid_map', { uid: 210_005 });
    expect(stdout.trim().split(/\s+/)).toEqual(['210005', '0', '0', '4294967295']);
  });
});

describe('a plain process, where nothing else is allowed', () => {
  const launch = () => station.launch({ userNamespace: 'off', uid: uid ?? user });

  it.skipIf(!isRoot)('says so, and still limits, filters and reports', async () => {
    const launcher = await launch();
    expect(launcher.hello.off).toContainEqual(expect.stringMatching(/^namespaces: /));
    const script =
      'pwd; id -u; ulimit -n; ulimit -d; grep -E "^(CapEff|NoNewPrivs|Seccomp:)" /proc/self/status; echo $ILUVATAR_STORE; exit 9';
    const { stdout, exited } = await station.run(launcher, script, { files: 99, rlimitDataMb: 64 });
    expect(stdout.trim().split('\n')).toEqual([
      `${station.store}/code/empty`,
      `${user}`,
      '99',
      '65536',
      'CapEff:\t0000000000000000',
      'NoNewPrivs:\t1',
      'Seccomp:\t2',
      station.store,
    ]);
    expect(exited).toMatchObject({ x0: 9 });
  });

  it.skipIf(!isRoot)('holds memory by address space, from ASSIGN on too', async () => {
    const launcher = await launch();
    const { stdout } = await station.run(launcher, 'ulimit -d', {}, { rlimitDataMb: 50 });
    expect(stdout).toBe('51200\n');
  });

  it.skipIf(!isRoot)('takes children along that tried to get away', async () => {
    const launcher = await launch();
    const cell = await station.spawn(launcher);
    const marker = `${100_000 + (process.pid % 100_000)}`;
    const script = `setsid sleep ${marker} & (setsid sleep ${marker} &) ; echo up; while :; do sleep 1000; done`;
    station.assign(cell.supervisor, { argv: ['/bin/sh', '-c', script] });
    await cell.supervisor.frame(LOG);
    const left = () =>
      execFileSync('ps', ['-eo', 'args='])
        .toString()
        .split('\n')
        .filter((line) => line === `sleep ${marker}`).length;
    await until('both sleepers', () => left() === 2 || undefined, left);
    cell.supervisor.socket.write(encode(CANCEL, 1, null, { x0: 0 }));
    await cell.supervisor.frame(EXITED);
    await gone(cell.pid);
    expect(left()).toBe(0);

    const other = await station.spawn(launcher);
    station.assign(other.supervisor, { argv: ['/bin/sh', '-c', script] });
    await until('both sleepers', () => left() === 2 || undefined, left);
    other.supervisor.socket.destroy();
    await gone(other.pid);
    expect(left()).toBe(0);
  });

  it.skipIf(!isRoot)('says why a program cannot be executed', async () => {
    const launcher = await launch();
    const cell = await station.spawn(launcher);
    station.assign(cell.supervisor, { argv: ['./none'] });
    const agent = await station.peer('agent', cell.container);
    expect(await agent.frame(READY)).toMatchObject({ status: 12, meta: { step: 'execute ./none', errno: 2 } });
  });
});

describe.skipIf(!isRoot)('the supervisor of a container of root', () => {
  const script =
    'echo $$; echo a >&2; grep -E "^(CapEff|NoNewPrivs|Seccomp:|SigIgn|SigBlk)" /proc/self/status; ls /tmp';

  /** The container's output, what its supervisor is, and what it may still do once a function is in there. */
  async function look(supervisor: string | undefined): Promise<{ stdout: string; program: string; status: string }> {
    const launcher = await station.launch(supervisor === undefined ? {} : { supervisor });
    const cell = await station.spawn(launcher, {});
    station.assign(cell.supervisor, { argv: ['/bin/sh', '-c', `${script}; exec sleep 600`] });
    await until(
      'the output',
      () => (cell.supervisor.output(1).includes('Seccomp') ? true : undefined),
      () => cell.supervisor.output(2),
    );
    const program = readlinkSync(`/proc/${cell.pid}/exe`).split('/').pop() as string;
    const status = readFileSync(`/proc/${cell.pid}/status`, 'utf8');
    cell.supervisor.socket.write(encode(CANCEL, 0, null, { x0: 0 }));
    expect(await cell.supervisor.frame(EXITED)).toMatchObject({ x1: expect.any(Number) });
    await cell.supervisor.close();
    await gone(cell.pid);
    return { stdout: cell.supervisor.output(1), program, status };
  }

  it('is a small program of its own, or without that a copy of its spawner, and both are confined alike', async () => {
    const own = await look(undefined);
    const copy = await look('');
    expect([own.program, copy.program]).toEqual(['iluvatar-supervisor', 'iluvatar-launcher']);
    expect(own.stdout).toBe(copy.stdout);
    for (const name of ['Uid', 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'SigBlk', 'SigIgn']) {
      const line = new RegExp(`^${name}:.*$`, 'm');
      expect([name, line.exec(own.status)?.[0]]).toEqual([name, line.exec(copy.status)?.[0]]);
    }
    expect(/^CapEff:\s*(\w+)$/m.exec(own.status)?.[1]).toBe('0000000000000020');
  });

  it('cannot be a program that is not there: the spawner does not come up', async () => {
    await expect(station.launch({ supervisor: '/nowhere/iluvatar-supervisor' })).rejects.toThrow();
    // Its end may be known before its last words are read.
    await until(
      'why',
      () => (/open \/nowhere\/iluvatar-supervisor: No such file/.test(station.stderr) ? true : undefined),
      () => station.stderr,
    );
  });

  it('that cannot be executed says so', async () => {
    const launcher = await station.launch({ supervisor: '/etc/passwd' });
    const cell = await station.spawn(launcher, {});
    const exited = await cell.supervisor.frame(EXITED);
    expect(exited.status).toBe(12);
    expect(exited.meta).toMatchObject({ step: 'execute supervisor', errno: 13 });
    await cell.supervisor.close();
    await gone(cell.pid);
  });
});
