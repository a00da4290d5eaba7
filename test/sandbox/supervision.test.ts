import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ASSIGN,
  alive,
  CANCEL,
  EXITED,
  encode,
  gone,
  HELLO,
  isRoot,
  LAUNCHER,
  LOG,
  type Peer,
  READY,
  SPAWN,
  SPAWNED,
  Station,
  until,
} from './harness.js';

/** What supervisors and spawners say, and when they end. */

const SIGKILL = 9;
const SIGUSR2 = 12;
const START_FAILED = 12;

describe.skipIf(!isRoot)('supervisors (root)', () => {
  let station: Station;
  let launcher: Peer;

  beforeAll(async () => {
    station = await Station.open();
    launcher = await station.launch();
  });
  afterAll(() => station?.close());

  /** A cell whose function runs `script`, once it has printed "up". */
  const running = async (script: string, before = '') => {
    const cell = await station.spawn(launcher);
    station.assign(cell.supervisor, { argv: ['/bin/sh', '-c', `${before} echo up; ${script}`] });
    await cell.supervisor.frame(LOG);
    return cell;
  };

  /** Processes of the host that run in the container of this supervisor. */
  const inside = (pid: number): number[] => {
    const space = execFileSync('readlink', [`/proc/${pid}/ns/pid`])
      .toString()
      .trim();
    return execFileSync('ps', ['-eo', 'pid='])
      .toString()
      .split('\n')
      .map(Number)
      .filter((other) => {
        try {
          return (
            other > 0 &&
            execFileSync('readlink', [`/proc/${other}/ns/pid`])
              .toString()
              .trim() === space
          );
        } catch {
          return false;
        }
      });
  };

  it('say HELLO with the container and the token they were given', async () => {
    const cell = await station.spawn(launcher);
    expect(cell.supervisor.hello).toEqual({
      role: 'supervisor',
      container: cell.container,
      token: `token-${cell.container}`,
    });
    expect(cell.supervisor.frames[0]).toMatchObject({ type: HELLO, x0: 1, x1: 1 });
    expect(alive(cell.pid)).toBe(true);
  });

  it('report the exit code, or the signal, after all output', async () => {
    const normal = await station.run(launcher, 'echo out; echo err >&2; exit 7');
    expect([normal.stdout, normal.stderr]).toEqual(['out\n', 'err\n']);
    expect(normal.exited).toMatchObject({ x0: 7, x1: 0 });
    expect(normal.supervisor.frames.at(-1)?.type).toBe(EXITED);
    const killed = await station.run(launcher, 'kill -9 $$');
    expect(killed.exited).toMatchObject({ x0: 0, x1: SIGKILL });
  });

  it('carry a megabyte of output whole when the worker reads it', async () => {
    const { stdout } = await station.run(
      launcher,
      'i=0; while [ $i -lt 16 ]; do head -c 65536 /dev/zero | tr "\\0" x; i=$((i+1)); done',
    );
    expect(stdout).toBe('x'.repeat(1 << 20));
  });

  it('drop output that nobody reads, say so, and never hold the function up', async () => {
    const cell = await station.spawn(launcher);
    cell.supervisor.socket.pause();
    const script = 'mkfifo -m 666 /tmp/go; head -c 50000000 /dev/zero; touch /tmp/done; read line < /tmp/go; echo last';
    station.assign(cell.supervisor, { argv: ['/bin/sh', '-c', script] });
    const inside = `/proc/${cell.pid}/root/tmp`;
    await until(
      'the end of the flood',
      () => existsSync(join(inside, 'done')) || undefined,
      () => [alive(cell.pid), cell.supervisor.frames.length],
    );
    cell.supervisor.socket.resume();
    writeFileSync(join(inside, 'go'), 'go\n');
    await cell.supervisor.frame(EXITED);
    const logs = cell.supervisor.frames.filter((frame) => frame.type === LOG);
    expect(logs.some((frame) => (frame.flags & 1) === 1)).toBe(true);
    expect(logs.reduce((sum, frame) => sum + frame.body.length, 0)).toBeLessThan(5_000_000);
  });

  it('end with everything inside when their connection ends', async () => {
    const cell = await running('sleep 1000 & setsid sleep 1000 & wait');
    const pids = inside(cell.pid);
    expect(pids.length).toBe(4);
    cell.supervisor.socket.destroy();
    for (const pid of pids) await gone(pid);
  });

  it('take everything with them when they are killed', async () => {
    const cell = await running('sleep 1000 & setsid sleep 1000 & wait');
    const pids = inside(cell.pid);
    process.kill(cell.pid, 'SIGKILL');
    for (const pid of pids) await gone(pid);
    await cell.supervisor.close();
  });

  it('notice the death of the agent alone, from outside', async () => {
    const cell = await running('setsid sleep 1000 & exec sleep 999');
    const agent = inside(cell.pid).find((pid) =>
      execFileSync('ps', ['-o', 'args=', '-p', `${pid}`])
        .toString()
        .includes('999'),
    );
    process.kill(agent as number, 'SIGKILL');
    expect(await cell.supervisor.frame(EXITED)).toMatchObject({ x0: 0, x1: SIGKILL });
    await gone(cell.pid);
  });

  it('on CANCEL ask with SIGUSR2, and kill everything after the grace', async () => {
    const polite = await running('while :; do sleep 0.02; done', 'trap "echo asked; exit 124" USR2;');
    polite.supervisor.socket.write(encode(CANCEL, 1, null, { x0: 10_000 }));
    expect(await polite.supervisor.frame(EXITED)).toMatchObject({ x0: 124, x1: 0 });
    expect(polite.supervisor.output(1)).toContain('asked');

    const deaf = await running('setsid sleep 1000 & while :; do sleep 1000; done', 'trap "" USR2;');
    deaf.supervisor.socket.write(encode(CANCEL, 1, null, { x0: 60_000 }));
    deaf.supervisor.socket.write(encode(CANCEL, 2, null, { x0: 20 }));
    expect(await deaf.supervisor.frame(EXITED)).toMatchObject({ x1: SIGKILL });

    const plain = await running('exec sleep 1000');
    plain.supervisor.socket.write(encode(CANCEL, 1, null, { x0: 10_000 }));
    expect(await plain.supervisor.frame(EXITED)).toMatchObject({ x1: SIGUSR2 });
  });

  it('give the function its environment, its arguments and the protocol variables', async () => {
    const cell = await station.spawn(launcher, { env: { FROM_SPAWN: 'a', BOTH: 'spawn' } });
    station.assign(cell.supervisor, {
      argv: [
        '/bin/sh',
        '-c',
        'echo "$FROM_SPAWN|$BOTH|$FROM_ASSIGN|$ILUVATAR_FUNCTION|$ILUVATAR_AGENT_FD|$ILUVATAR_TOKEN|$1"',
        'sh',
        'ü"\\ x',
      ],
      env: { BOTH: 'assign', FROM_ASSIGN: 'line\nbreak', ILUVATAR_TOKEN: 'forged' },
    });
    await cell.supervisor.frame(EXITED);
    expect(cell.supervisor.output(1)).toBe(`a|assign|line\nbreak|test@1|3|token-${cell.container}|ü"\\ x\n`);
  });

  it('give an old agent a small folder of its own for its socket', async () => {
    const script =
      'echo here > /iluvatar/sockets/file; ls /iluvatar/sockets; dd if=/dev/zero of=/iluvatar/sockets/fill';
    const { stdout, stderr } = await station.run(launcher, script, {}, { sockets: true });
    expect(stdout).toBe('file\n');
    expect(stderr).toContain('No space left on device');
    const none = await station.run(launcher, 'echo here > /iluvatar/sockets/file');
    expect(none.stderr).toContain('Read-only file system');
  });

  describe('say which step failed', () => {
    const failed = async (assign: Record<string, unknown>) => {
      const cell = await station.spawn(launcher);
      station.assign(cell.supervisor, { argv: ['/bin/true'], ...assign });
      const exited = await cell.supervisor.frame(EXITED);
      await gone(cell.pid);
      return exited;
    };

    it.each([
      [{ code: 'code/none' }, 'bind /function', 2],
      [{ layers: ['layers/none'] }, 'bind /layers/none', 2],
      [{ code: '../outside' }, 'assignment: "code" leaves the store', 22],
      [{ layers: ['layers/../../x'] }, 'assignment: a layer leaves the store', 22],
      [{ layers: new Array(17).fill('layers/x') }, 'assignment: more than 16 layers', 22],
      [{ sockets: 'a' }, 'assignment: "sockets" must be true or false', 22],
      [{ env: { 'a=b': 'c' } }, 'assignment: "env" has a name that is empty or contains =', 22],
      [{ argv: 'sh' }, 'assignment: "argv" must be an array of strings', 22],
    ])('%j', async (assign, step, errno) => {
      expect(await failed(assign)).toMatchObject({
        status: START_FAILED,
        meta: { step, errno, message: expect.stringContaining(step) },
      });
    });

    it('a program that cannot be executed, on the agent connection', async () => {
      const cell = await station.spawn(launcher);
      station.assign(cell.supervisor, { argv: ['/nowhere/program'] });
      const agent = await station.peer('agent', cell.container);
      expect(agent.hello).toMatchObject({ token: `token-${cell.container}` });
      expect(await agent.frame(READY)).toMatchObject({
        status: START_FAILED,
        meta: { step: 'execute /nowhere/program', errno: 2 },
      });
      expect(await cell.supervisor.frame(EXITED)).toMatchObject({ x0: 126 });
    });

    it('a second ASSIGN', async () => {
      const cell = await running('sleep 1000');
      station.assign(cell.supervisor, { argv: ['/bin/true'] });
      expect(await cell.supervisor.frame(EXITED)).toMatchObject({
        status: START_FAILED,
        meta: { step: 'assigned twice' },
      });
    });

    it('garbage in place of a frame', async () => {
      const cell = await running('sleep 1000');
      cell.supervisor.socket.write(Buffer.alloc(64, 0x55));
      expect(await cell.supervisor.frame(EXITED)).toMatchObject({
        status: START_FAILED,
        meta: { step: 'read from worker' },
      });
      await gone(cell.pid);
    });

    it('a cgroup that does not exist', async () => {
      const parent = `/sys/fs/cgroup/pids/ilu-test-sandbox-${process.pid}`;
      if (!existsSync('/sys/fs/cgroup/pids')) return;
      mkdirSync(parent);
      try {
        const other = await station.launch({ cgroups: [parent] });
        const cell = await station.spawn(other, { cgroup: 'none' });
        expect(await cell.supervisor.frame(EXITED)).toMatchObject({
          status: START_FAILED,
          meta: { step: 'open cgroup none/cgroup.procs', errno: 2 },
        });
        await gone(cell.pid);
      } finally {
        execFileSync('rmdir', [parent]);
      }
    });
  });

  describe('spawners', () => {
    const ask = async (spawner: Peer, bytes: Buffer, requestId: number) => {
      spawner.socket.write(bytes);
      return until(
        'an answer',
        () => spawner.frames.find((frame) => frame.type === SPAWNED && frame.requestId === requestId),
        () => spawner.frames,
      );
    };

    it.each([
      [{ container: '' }, '"container" is empty'],
      [{ token: 5 }, '"token" must be a string'],
      [{ cgroup: '../x' }, '"cgroup" is not a clean relative path'],
      [{ network: 'other' }, '"network" must be none, host or bridge'],
      [{ network: 'bridge' }, '"networkNamespace" must be a file name'],
      [{ uid: -1 }, '"uid" must be an integer from 0 to 4294967294'],
      [{ argv: [] }, '"argv" is empty'],
      [{ env: { A: 1 } }, '"env" must be an object of strings'],
    ])('refuse SPAWN with %j and go on', async (change, sentence) => {
      const meta = { ...station.meta('refused', {}), ...change };
      const answer = await ask(launcher, encode(SPAWN, 900_000, meta), 900_000);
      expect(answer).toMatchObject({
        status: START_FAILED,
        x0: 0,
        meta: { message: expect.stringContaining(sentence) },
      });
      launcher.frames.splice(launcher.frames.indexOf(answer), 1);
      expect((await station.run(launcher, 'echo ok')).stdout).toBe('ok\n');
    });

    it('never give uid 0 to a function', async () => {
      const cell = await station.spawn(launcher, { uid: 0 });
      const agent = await station.peer('agent', cell.container);
      expect(await agent.frame(READY)).toMatchObject({
        status: START_FAILED,
        meta: { step: 'uid 0 is not for functions' },
      });
      expect(await cell.supervisor.frame(EXITED)).toMatchObject({ x0: 126 });
    });

    it('end with their connection, and leave containers alone', async () => {
      const other = await station.launch();
      const cell = await station.spawn(other);
      const pid = other.hello.pid as number;
      other.socket.destroy();
      await gone(pid);
      station.assign(cell.supervisor, { argv: ['/bin/echo', 'alive'] });
      await cell.supervisor.frame(EXITED);
      expect(cell.supervisor.output(1)).toBe('alive\n');
    });

    it.each([
      ['not JSON', '{', 'not a JSON object'],
      ['an unknown key', '{"name":"a","agents":"/a/b","store":"/s","colour":"red"}', 'unknown key "colour"'],
      ['a relative path', '{"name":"a","agents":"a/b","store":"/s"}', '"a/b" is not an absolute, normalised path'],
      ['a missing store', '{"name":"a","agents":"/tmp/none/b","store":"/tmp/none/s"}', 'cannot prepare the root'],
      ['a missing cgroup', '{"name":"a","agents":"/a/b","store":"/s","cgroups":["/none"]}', 'cgroup folder /none'],
    ])('refuse a configuration with %s', async (_what, config, sentence) => {
      await expect(station.start(LAUNCHER, ['--config', config], 'refused')).rejects.toThrow(sentence);
    });

    it('survive many requests at once', async () => {
      const cells = await Promise.all(Array.from({ length: 30 }, () => station.run(launcher, 'echo $$')));
      expect(cells.map((cell) => cell.stdout)).toEqual(new Array(30).fill('2\n'));
      for (const cell of cells) await gone(cell.pid);
    });
  });

  it('a stranger that connects and sends nothing changes nothing', async () => {
    const stranger = connect(station.socket);
    await new Promise((resolve) => stranger.once('connect', resolve));
    expect((await station.run(launcher, 'echo ok')).stdout).toBe('ok\n');
    stranger.destroy();
  });

  it('pass an ASSIGN larger than a pipe holds', async () => {
    writeFileSync(join(station.code('big'), 'x'), '');
    const cell = await station.spawn(launcher);
    const meta = {
      function: 'big@1',
      code: 'code/big',
      layers: [],
      argv: ['/bin/sh', '-c', 'printf %s "$BIG" | wc -c'],
      env: { BIG: 'y'.repeat(100_000) },
    };
    cell.supervisor.socket.write(encode(ASSIGN, 0, meta));
    expect(await cell.supervisor.frame(EXITED)).toMatchObject({ x0: 0 });
    expect(cell.supervisor.output(1).trim()).toBe('100000');
  });
});
