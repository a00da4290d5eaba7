import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nativeFile } from '../../src/native.js';
import { EXITED, encode, gone, isRoot, type Peer, READY, SPAWNED, Station, until, ZYGOTE } from './harness.js';

/** The cell library in a real interpreter: a zygote whose containers are forks of it. The system's python3, since others may live where root's uid alone can go. */

const PYTHON = '/usr/bin/python3';
const script = fileURLToPath(new URL('zygote.py', import.meta.url));

function hasPython(): boolean {
  try {
    execFileSync(PYTHON, ['-c', '']);
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(!hasPython())('a zygote', () => {
  let station: Station;
  let zygote: Peer;

  const start = (name: string, uid?: number) =>
    station.start(PYTHON, ['-I', script, nativeFile('libiluvatar_cell.so'), station.config(name, {})], name, uid);

  beforeAll(async () => {
    station = await Station.open();
    zygote = await start('python');
  });
  afterAll(() => station?.close());

  /** A container of `spawner` that evaluates `code` and says READY with its `result`. */
  const evaluate = async (spawner: Peer, code: string, assign: Record<string, unknown> = {}) => {
    const cell = await station.spawn(spawner, { argv: null, env: { FROM_SPAWN: 'here' } });
    const agent = await station.peer('agent', cell.container);
    station.assign(cell.supervisor, { entry: code, ...assign });
    return { ...cell, agent, ready: await agent.frame(READY) };
  };

  it('forks an agent that is sandboxed, and goes on being Python', async () => {
    const code =
      'import threading\nresult = [os.getpid(), os.getuid() != 0, sorted(map(int, os.listdir("/proc/self/fd"))), os.getcwd(), threading.active_count(), meta["token"] == "token-" + meta["container"], open("/proc/self/status").read()]';
    const { ready, container } = await evaluate(zygote, code);
    const [pid, unprivileged, fds, cwd, threads, token, status] = ready.meta.result as [
      number,
      boolean,
      number[],
      string,
      number,
      boolean,
      string,
    ];
    // 4 is the folder being listed: the pipe of ASSIGN is closed.
    expect([pid, unprivileged, fds, cwd, threads, token]).toEqual([2, true, [0, 1, 2, 3, 4], '/', 1, true]);
    expect(status).toMatch(/CapEff:\t0{16}\n/);
    expect(status).toMatch(/Seccomp:\t2\n/);
    expect(container).toBeTruthy();
  });

  it('ends the container when the agent returns, with its exit code', async () => {
    const { agent, supervisor, pid } = await evaluate(zygote, 'result = 1');
    agent.socket.destroy();
    expect(await supervisor.frame(EXITED)).toMatchObject({ x0: 0, x1: 0 });
    await gone(pid);
  });

  it('shows the environment of SPAWN to the C library', async () => {
    const { ready } = await evaluate(
      zygote,
      'import ctypes; get = ctypes.CDLL(None).getenv; get.restype = ctypes.c_char_p; result = get(b"FROM_SPAWN").decode()',
    );
    expect(ready.meta.result).toBe('here');
  });

  it('keeps paths of layers valid that it imported from', async () => {
    const layer = join(station.store, 'layers', 'hash');
    mkdirSync(layer, { recursive: true });
    writeFileSync(join(layer, 'early.py'), 'x = 1\n');
    writeFileSync(join(layer, 'late.py'), 'y = 2\n');
    zygote.socket.write(encode(ZYGOTE, 41, { name: 'layered', path: ['/layers/hash'], imports: ['json'] }));
    const child = await until(
      'the child zygote',
      () => station.peers.find((peer) => peer.hello.name === 'layered'),
      () => [station.stderr, zygote.frames],
    );
    const code = 'sys.path.insert(0, "/layers/hash"); import late; result = [late.__file__, os.listdir("/layers")]';
    const { ready } = await evaluate(child, code, { layers: ['layers/hash'] });
    expect(ready.meta).toEqual({ result: ['/layers/hash/late.py', expect.arrayContaining(['hash', '0'])] });
  });

  it('forks child zygotes, and answers for those whose imports fail, while it goes on', async () => {
    const answer = (requestId: number) =>
      until(
        'the answer',
        () => zygote.frames.find((frame) => frame.type === SPAWNED && frame.requestId === requestId),
        () => zygote.frames,
      );
    zygote.socket.write(encode(ZYGOTE, 51, { name: 'with-decimal', path: [], imports: ['decimal'] }));
    zygote.socket.write(encode(ZYGOTE, 52, { name: 'broken', path: [], imports: ['no_such_module'] }));
    zygote.socket.write(encode(ZYGOTE, 53, { path: [] }));
    expect(await answer(51)).toMatchObject({ status: 0, x0: expect.any(Number) });
    expect(await answer(52)).toMatchObject({
      status: 12,
      meta: { message: expect.stringContaining('no_such_module') },
    });
    expect(await answer(53)).toMatchObject({
      status: 12,
      meta: { message: expect.stringContaining('"name" is missing') },
    });
    // Its HELLO and its parent's answer come over two connections, in any order.
    const child = await until(
      'the child zygote',
      () => station.peers.find((peer) => peer.hello.name === 'with-decimal'),
      () => station.stderr,
    );
    expect((await evaluate(child, 'result = "decimal" in sys.modules')).ready.meta).toEqual({ result: true });
    expect((await evaluate(zygote, 'result = "decimal" in sys.modules')).ready.meta).toEqual({ result: false });
    const pid = child.hello.pid as number;
    child.socket.destroy();
    await gone(pid);
    expect((await evaluate(zygote, 'result = 5')).ready.meta).toEqual({ result: 5 });
  });

  it('answers for a child that dies while it imports', async () => {
    mkdirSync(join(station.store, 'layers', 'deadly'), { recursive: true });
    zygote.socket.write(encode(ZYGOTE, 61, { name: 'dying', path: [], imports: ['antigravity_not', 'x'.repeat(10)] }));
    const answer = await until(
      'the answer',
      () => zygote.frames.find((frame) => frame.type === SPAWNED && frame.requestId === 61),
      () => zygote.frames,
    );
    expect(answer.status).toBe(12);
  });

  it.skipIf(!isRoot)('works for an ordinary user', async () => {
    const other = await Station.open();
    try {
      const own = await other.start(
        PYTHON,
        ['-I', script, nativeFile('libiluvatar_cell.so'), other.config('nobody', {})],
        'nobody',
        65_534,
      );
      const cell = await other.spawn(own, { argv: null });
      const agent = await other.peer('agent', cell.container);
      other.assign(cell.supervisor, { entry: 'result = [os.getpid(), os.getuid()]' });
      expect((await agent.frame(READY)).meta).toEqual({ result: [2, 65_534] });
    } finally {
      await other.close();
    }
  });
});
