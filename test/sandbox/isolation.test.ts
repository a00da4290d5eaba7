import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Frame, gone, isRoot, type Peer, Station } from './harness.js';

/** What a function sees and what it can do, from inside a real container. */

const EPERM = 1;
const ENOENT = 2;
const EACCES = 13;
const EROFS = 30;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

describe.skipIf(!isRoot)('the view from inside a container (root)', () => {
  let station: Station;
  let launcher: Peer;
  const hostMounts = ownMounts();

  beforeAll(async () => {
    station = await Station.open();
    launcher = await station.launch();
  });
  afterAll(() => station?.close());

  const lines = async (script: string, ...rest: [object?, object?]): Promise<string[]> => {
    const { stdout, stderr } = await station.run(
      launcher,
      script,
      rest[0] ?? {},
      (rest[1] ?? {}) as Record<string, unknown>,
    );
    expect(stderr).toBe('');
    return stdout.trim().split('\n');
  };

  it('names what is not protected in the spawner HELLO', () => {
    expect(launcher.hello).toMatchObject({ role: 'spawner', off: [expect.stringMatching(/^cgroups: /)] });
  });

  it('sees its own processes only, as an unprivileged user', async () => {
    const [pid, uid, processes, hostname] = await lines('echo $$; id -u; ls /proc | grep -c "^[0-9]"; hostname', {
      uid: 210_077,
    });
    expect([pid, uid]).toEqual(['2', '210077']);
    // The shell, ls and grep: neither the supervisor nor anything of the host.
    expect(Number(processes)).toBeLessThanOrEqual(3);
    expect(hostname).toMatch(/^c\d+-\d+$/);
  });

  it('has no capability, no way to gain one, and the filter on', async () => {
    const found = await lines('grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status');
    const zero = '0000000000000000';
    expect(found.map((line) => line.replace(/\s+/g, ' '))).toEqual([
      `CapInh: ${zero}`,
      `CapPrm: ${zero}`,
      `CapEff: ${zero}`,
      `CapBnd: ${zero}`,
      `CapAmb: ${zero}`,
      'NoNewPrivs: 1',
      'Seccomp: 2',
    ]);
  });

  it('goes first when memory runs out', async () => {
    expect(await lines('cat /proc/self/oom_score_adj')).toEqual(['1000']);
  });

  it('finds only lo, up', async () => {
    expect(await lines('tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d " "')).toEqual(['lo']);
    expect(await lines("cat /proc/net/route | tail -n +2 | wc -l; grep -c ' lo$' /proc/net/if_inet6")).toEqual([
      '0',
      '1',
    ]);
  });

  it('keeps the network of the host when asked to', async () => {
    const host = readFileSync('/proc/net/dev', 'utf8').split('\n').length;
    expect(await lines('wc -l < /proc/net/dev', { network: 'host' })).toEqual([String(host - 1)]);
  });

  it('has nothing but its descriptors 0 to 3 (4 was ASSIGN, and is here what ls opened)', async () => {
    const { stdout } = await station.run(launcher, '', {}, { argv: ['/bin/ls', '/proc/self/fd'] });
    expect(stdout).toBe('0\n1\n2\n3\n4\n');
  });

  it('has a /tmp of the size of ASSIGN, empty and its own', async () => {
    const size = 'stat -f -c "%S %b" /tmp | { read s b; echo $((s * b >> 20)); }; ls -A /tmp | wc -l';
    expect(await lines(size, { tmpMb: 16 })).toEqual(['16', '0']);
    expect(await lines(size, { tmpMb: 16 }, { tmpMb: 33 })).toEqual(['33', '0']);
    const { stderr } = await station.run(launcher, 'dd if=/dev/zero of=/tmp/fill bs=1M count=20', { tmpMb: 8 });
    expect(stderr).toContain('No space left on device');
  });

  it('finds its code and layers read-only, under their names, numbers and where Node looks', async () => {
    writeFileSync(join(station.code('mine'), 'main.txt'), 'code');
    const layer = join(station.store, 'layers', 'abc', 'node_modules');
    execFileSync('mkdir', ['-p', layer, join(station.store, 'layers', 'secret')]);
    writeFileSync(join(layer, 'p.txt'), 'layer');
    const script =
      'pwd; cat main.txt /layers/abc/node_modules/p.txt /layers/0/node_modules/p.txt /node_modules/p.txt; echo; ls /layers | tr "\\n" " "';
    const assign = { code: 'code/mine', layers: ['layers/abc'] };
    expect(await lines(script, {}, assign)).toEqual(['/function', 'codelayerlayerlayer', '0 abc']);
    expect(await lines('ls /layers | wc -l')).toEqual(['0']);
  });

  it('gets the files of programs and nothing of this host', async () => {
    const [passwd, ...etc] = await lines(
      'wc -l < /etc/passwd; ls /etc; ls /root /home /var /sys /work 2>&1 | grep -c "No such"',
    );
    expect(passwd).toBe('2');
    expect(etc.pop()).toBe('5');
    expect(etc).toContain('ld.so.cache');
    expect(etc).not.toContain('shadow');
    expect(
      await lines(
        'cat /dev/null; head -c 4 /dev/zero | od -An -tx1; head -c 8 /dev/urandom | wc -c; test -w /dev/full && ls /dev | tr "\\n" " "',
      ),
    ).toEqual(['00 00 00 00', '8', 'fd full null random shm stderr stdin stdout urandom zero']);
  });

  it('is refused everything a function has no business with', async () => {
    const source = fileURLToPath(new URL('attempts.c', import.meta.url));
    execFileSync('gcc', ['-O1', '-static', '-o', join(station.code('attempts'), 'attempts'), source]);
    const { stdout, exited } = await station.run(launcher, '', {}, { code: 'code/attempts', argv: ['attempts'] });
    const found = Object.fromEntries(
      stdout
        .trim()
        .split('\n')
        .map((line) => [line.split(' ')[0], Number(line.split(' ')[1])]),
    );
    for (const name of [
      'mount',
      'umount',
      'remount',
      'unshare',
      'setns',
      'chroot',
      'ptrace',
      'bpf',
      'keyctl',
      'io_uring',
    ]) {
      expect([name, found[name]]).toEqual([name, EPERM]);
    }
    // Not every kernel has it.
    expect([EACCES, ENOENT]).toContain(found.sysrq);
    for (const name of [
      'open_tree',
      'userfaultfd',
      'perf',
      'clone_newuser',
      'personality',
      'setuid',
      'mknod',
      'hostname',
      'socket_raw',
    ]) {
      expect([name, found[name]]).toEqual([name, EPERM]);
    }
    expect(found).toMatchObject({
      clone3: ENOSYS,
      personality_query: 0,
      socket_packet: EAFNOSUPPORT,
      socket_netlink: EAFNOSUPPORT,
      socket_vsock: EAFNOSUPPORT,
      socket_unix: 0,
      socket_inet: 0,
      kill_supervisor: EPERM,
      write_root: EROFS,
      write_usr: EROFS,
      write_function: EROFS,
      write_layers: EROFS,
      write_tmp: 0,
      write_sysctl: EACCES,
      host_store: ENOENT,
      host_socket: ENOENT,
      supervisor_root: ENOENT,
      supervisor_memory: ENOENT,
      fork: 0,
    });
    expect(exited).toMatchObject({ status: 0, x0: 0, x1: 0 } satisfies Partial<Frame>);
  });

  it('cannot enter the store even before it is hidden', async () => {
    const script = 'ls /.host/store/ 2>&1; ls /.store/ 2>&1; ls /.host/run/ | wc -l; exit 5';
    const cell = await station.spawn(launcher, { argv: ['/bin/sh', '-c', script] });
    expect(await cell.supervisor.frame(20)).toMatchObject({ x0: 5 });
    expect(cell.supervisor.output(1)).toMatch(/Permission denied\n.*Permission denied\n1\n/s);
  });

  it('sees extra host paths read-only, below /tmp too', async () => {
    const extra = join(station.folder, 'extra');
    execFileSync('mkdir', ['-p', extra, '/opt']);
    writeFileSync(join(extra, 'file'), 'extra');
    const other = await station.launch({ paths: [extra, '/usr/share', '/opt'] });
    const { stdout, stderr } = await station.run(other, `cat ${extra}/file; echo; ls -d /opt; touch ${extra}/new`);
    expect(stdout).toBe('extra\n/opt\n');
    expect(stderr).toContain('Read-only file system');
    expect(readdirSync(extra)).toEqual(['file']);
  });

  it('leaves no process and no mount in our namespace', async () => {
    const { pid } = await station.run(launcher, 'sleep 100 & sleep 100 & exit 0');
    await gone(pid);
    expect(ownMounts()).toEqual(hostMounts);
  });
});

/** Without those of suites that run beside this one, which mount below temporary folders of their own. */
function ownMounts(): string[] {
  const others = new RegExp(` ${tmpdir()}/iluvatar-`);
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => !others.test(line));
}
