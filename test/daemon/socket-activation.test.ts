import { lstatSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { connect } from '../../src/index.js';
import { freePort } from '../support/free-port.js';
import { describeWith } from '../support/requirement.js';
import { Activator } from './support/activator.js';
import { BIN, WorkerProcesses } from './support/worker-process.js';

/** Sockets that others made: by systemd's own program, and by a small one that does as it does. */

const WORKER = [process.execPath, BIN, 'worker'];

let workers: WorkerProcesses;

beforeEach(() => {
  workers = new WorkerProcesses();
  workers.write('data/.keep', '');
});
afterEach(async () => {
  await workers[Symbol.asyncDispose]();
});

describeWith({ command: 'python3' }, 'a worker with sockets that were handed over', () => {
  const hold = (sockets: string[], args: string[] = []): Promise<Activator> =>
    Activator.hold(sockets, [...WORKER, ...args], workers.env);

  it('serves on them, by name, and does not make its own', async () => {
    const inode = (): number => lstatSync(workers.socket).ino;
    await using activator = await hold(['http=127.0.0.1:0', `unix=${workers.socket}`]);
    const before = inode();
    await activator.start();
    const url = `http://${activator.addresses[0]}`;
    // Asked before it listens to anything: the question waits in the socket.
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect((await workers.run('ping')).code).toBe(0);
    expect(activator.stderr).toContain(`is ready on ${workers.socket} and ${url} `);
    expect(inode()).toBe(before);
    expect(await activator.stop()).toBe(0);
    // They are the other's: its socket stays.
    expect(inode()).toBe(before);
  });

  it('loses nobody who comes while one worker has gone and the next has not come', async () => {
    await using activator = await hold(['a=127.0.0.1:0', `b=${workers.socket}`]);
    await activator.start();
    const url = `http://${activator.addresses[0]}/healthz`;
    expect((await fetch(url)).status).toBe(200);
    expect(await activator.stop()).toBe(0);
    // Not the command, which gives a worker five seconds: this one has yet to start.
    const pinged = connect(workers.socket, { timeoutMs: 50_000 }).then(async (client) => {
      const { pong } = await client.ping();
      client.close();
      return pong;
    });
    const waiting = [fetch(url), fetch(url), pinged] as const;
    await activator.start();
    const [first, second, pong] = await Promise.all(waiting);
    expect([first.status, second.status, pong]).toEqual([200, 200, true]);
  });

  it('makes the one that was not handed over', async () => {
    await using activator = await hold(['http=127.0.0.1:0']);
    await activator.start();
    expect((await fetch(`http://${activator.addresses[0]}/healthz`)).status).toBe(200);
    expect((await workers.run('ping')).code).toBe(0);
    expect(await activator.stop()).toBe(0);
    expect(() => lstatSync(workers.socket)).toThrow('ENOENT');
  });

  it('closes them to what it starts', async () => {
    await using activator = await hold(['http=127.0.0.1:0', `unix=${workers.socket}`]);
    await activator.start();
    const main =
      'import os\ndef main(args):\n    return [n for n in os.environ if n.startswith("LISTEN")] + ' +
      '[f for f in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + f) and os.readlink("/proc/self/fd/" + f).startswith("socket:")]\n';
    workers.write('look/main.py', main);
    expect((await workers.run('register', workers.path('look'))).code).toBe(0);
    const sockets = JSON.parse((await workers.run('invoke', 'look')).stdout) as string[];
    // Its own connection to the worker, and nothing else.
    expect(sockets).toHaveLength(1);
  });

  it.each([
    ['is no socket', ['http=file'], [], 'is no socket'],
    ['comes twice', ['http=127.0.0.1:0', 'http=127.0.0.1:0'], [], 'a second one for http'],
    ['is of another kind than its name', ['unix=127.0.0.1:0'], [], 'not of the kind that its name says'],
    ['nobody serves', ['http=127.0.0.1:0'], ['--no-http'], 'http.enabled is false'],
    ['clients would not find', ['unix=@other'], [], 'the configuration says'],
  ])('refuses one that %s', async (_what, sockets, args, text) => {
    const placed = sockets.map((socket) => socket.replace('@other', workers.path('other.sock')));
    await using activator = await hold(placed, args);
    await activator.start();
    expect(await activator.ended()).toBe(7);
    expect(activator.stderr).toContain(text);
  });
});

describeWith({ command: 'systemd-socket-activate' }, 'a worker that systemd starts at the first connection', () => {
  it('answers it, and serves on both sockets', async () => {
    const port = await freePort();
    const listen = ['-l', `127.0.0.1:${port}`, '-l', workers.socket, '--fdname=http:unix'];
    const environment = Object.entries({ ...workers.env, PATH: process.env.PATH }).flatMap(([key, value]) => [
      '-E',
      `${key}=${value}`,
    ]);
    const file = workers.write('worker.yaml', stringify({ queue: { limit: 5 } }));
    const command = ['systemd-socket-activate', ...listen, ...environment, ...WORKER];
    const worker = workers.spawn(['--config', file], {}, command);
    await expect.poll(() => worker.stderr, { timeout: 50_000 }).toContain('Listening on');
    const answer = await fetch(`http://127.0.0.1:${port}/healthz`);
    expect(answer.status).toBe(200);
    expect(JSON.parse((await workers.run('status', '--json')).stdout)).toMatchObject({ queue: { limit: 5 } });
    // It is the same process that listened first.
    worker.child.kill('SIGTERM');
    expect(await worker.ended).toEqual({ code: 0, signal: null });
  });
});
