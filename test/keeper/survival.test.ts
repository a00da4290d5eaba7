import { once } from 'node:events';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { native } from '../../src/native.js';
import { describeHeld, root, Stage } from './stage.js';

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => stage.dispose());

/** Connects to the test's keeper and has it hold descriptor 3. */
const holding = (path: string, rest = ''): string => `
  const client = keeper.connect(${JSON.stringify(path)}, silent);
  client.hold('connection', '{"container":"c1"}', [3]);
  ${rest}
  say('held');
  setInterval(() => {}, 1000);
`;

describe('what a killed process held', () => {
  it('is found again and works; nobody saw an end before the grace was over', async () => {
    const watching = await stage.open(300);
    const child = stage.child(holding(stage.path));
    const other = child.process.stdio[3] as Socket;
    const received: string[] = [];
    let ended = false;
    other.setEncoding('utf8').on('data', (data) => received.push(`${data}`));
    other.once('end', () => {
      ended = true;
    });
    await child.said();
    await child.kill();
    // Said while nobody is there: it waits in the connection.
    other.write('are you there?');
    const [held] = await watching.list();
    expect(held).toMatchObject({ key: 'connection', text: '{"container":"c1"}' });
    const again = new Socket({ fd: held?.fds[0] as number, readable: true, writable: true });
    expect(`${(await once(again, 'data'))[0]}`).toBe('are you there?');
    again.write('still');
    while (received.length === 0) await sleep(5);
    expect(received).toEqual(['still']);
    again.destroy();
    await once(again, 'close');
    await watching.list().then(describeHeld);
    expect(ended).toBe(false);
    watching.close();
    await once(other, 'end');
    await stage.gone();
    expect(existsSync(stage.path)).toBe(false);
  });

  it('includes what it had said right before', async () => {
    await stage.open();
    const rest = `
      const null_ = openSync('/dev/null', 'r');
      for (let i = 0; i < 100; i++) client.hold('k' + i, '', [null_]);
      process.kill(process.pid, 'SIGKILL');
    `;
    const child = stage.child(holding(stage.path, rest));
    await child.ended;
    const keeper = await stage.open();
    expect(describeHeld(await keeper.list())).toHaveLength(101);
  });

  it('includes the last byte of its marks', async () => {
    const keeper = await stage.open();
    const child = stage.child(`
      const client = keeper.connect(${JSON.stringify(stage.path)}, silent);
      const marks = keeper.marks(10_000);
      client.hold('marks', '', [marks.fd]);
      for (let i = 0; i < 10_000; i++) marks.bytes[i] = i % 251;
      process.kill(process.pid, 'SIGKILL');
    `);
    await child.ended;
    const [held] = await keeper.list();
    const bytes = native().keeper.mapMarks(held?.fds[0] as number);
    describeHeld(held === undefined ? [] : [held]);
    expect(bytes).toEqual(Uint8Array.from({ length: 10_000 }, (_, i) => i % 251));
    bytes[0] = 42;
    // The descriptor is closed, and the keeper's is the same memory.
    const again = await keeper.list();
    expect(native().keeper.mapMarks(again[0]?.fds[0] as number)[0]).toBe(42);
    describeHeld(again);
  });

  it('may be a socket that listens: whoever connects meanwhile is served by the next', async () => {
    const keeper = await stage.open();
    const path = join(stage.folder, 'listening');
    const child = stage.child(`
      const client = keeper.connect(${JSON.stringify(stage.path)}, silent);
      const server = require('node:net').createServer().listen(${JSON.stringify(path)}, () => {
        client.hold('listener', '', [server._handle.fd]);
        say('held');
      });
    `);
    await child.said();
    await child.kill();
    const caller = connect(path);
    await once(caller, 'connect');
    const [held] = await keeper.list();
    const server = createServer((socket) => socket.end('served')).listen({ fd: held?.fds[0] as number });
    expect(`${(await once(caller, 'data'))[0]}`).toBe('served');
    caller.destroy();
    server.close();
    await once(server, 'close');
  });
});

describe('grace', () => {
  it('is stopped by a client, and begins anew when that goes', async () => {
    const first = await stage.open(400);
    first.hold('a', '', [stage.file()]);
    await first.flush();
    first.close();
    const second = await stage.open();
    await sleep(1500);
    expect(describeHeld(await second.list())).toEqual(['a=+1']);
    second.close();
    const third = await stage.open();
    expect(describeHeld(await third.list())).toEqual(['a=+1']);
    third.close();
    await stage.gone();
    expect(existsSync(stage.path)).toBe(false);
  });

  it('runs before anybody has come', async () => {
    native().keeper.start(stage.path, 0, `${root}build/Release/iluvatar-keeper`);
    expect(stage.pids()).toHaveLength(1);
    await stage.gone();
  });

  it('leaves alone what somebody else has put in the place of its socket', async () => {
    const keeper = await stage.open(100);
    rmSync(stage.path);
    writeFileSync(stage.path, 'of another');
    keeper.close();
    await stage.gone();
    expect(existsSync(stage.path)).toBe(true);
  });
});

describe('threads', () => {
  /** A client in the middle of everything, for ever. */
  const BUSY = `
    const { parentPort, workerData } = require('node:worker_threads');
    const { keeper, system } = require('node-gyp-build')(workerData.root);
    const fd = require('node:fs').openSync('/dev/null', 'r');
    process.on('warning', (warning) => parentPort.postMessage(warning.message));
    let lists = 0;
    const client = keeper.connect(workerData.path, { onFull() {}, onEnd() {}, onListed(items) {
      for (const { fds } of items) for (const each of fds) system.close(each);
      if (++lists === 3) parentPort.postMessage('busy');
      client.list();
    } });
    for (let i = 0; i < 200; i++) client.hold('k' + i, 'text', [fd]);
    const marks = keeper.marks(4096);
    marks.bytes[1] = 1;
    client.list();
  `;

  it('that are terminated in the middle of a list take nothing with them', async () => {
    const keeper = await stage.open();
    for (let round = 0; round < 5; round++) {
      const worker = new Worker(BUSY, { eval: true, workerData: { path: stage.path, root } });
      expect(await once(worker, 'message')).toEqual(['busy']);
      expect(await worker.terminate()).toBe(1);
    }
    const held = describeHeld(await keeper.list());
    expect(held).toHaveLength(200);
    expect(held.at(-1)).toBe('k199=text+1');
  });
});
