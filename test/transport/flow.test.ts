import { execFile, spawn } from 'node:child_process';
import { existsSync, lstatSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FrameType } from '../../src/transport/frames.js';
import { encode, hello, RawPeer, Recorder, Stage } from './support.js';

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => stage.end());

const turn = () => new Promise((resolve) => setTimeout(resolve, 5));

describe('back-pressure', () => {
  it('reports a full queue, keeps what was sent, and says when it has drained', async () => {
    const server = stage.server({ highWaterBytes: 256 << 10 });
    const peer = await RawPeer.connect(server.path);
    stage.atEnd(() => peer.socket.destroy());
    await peer.until((frames) => frames.length === 1);
    peer.socket.pause();
    const { connection, recorder } = server.accepted[0] as (typeof server.accepted)[0];
    const body = Buffer.alloc(16 << 10, 'b');
    let sent = 0;
    while (sent < 1000 && connection.send(FrameType.log, 0, 0, sent, 1, 0, 0, null, body)) sent++;
    sent++; // the refused one is queued as well
    expect(sent).toBeGreaterThan(16);
    expect(sent).toBeLessThan(1000);
    expect(connection.send(FrameType.log, 0, 0, sent++, 1, 0, 0, null, body)).toBe(false);
    expect(recorder.drains).toBe(0);
    peer.socket.resume();
    await recorder.until(() => recorder.drains === 1, 'drained');
    const frames = (await peer.until((received) => received.length === sent + 1)).slice(1);
    expect(frames.map((frame) => frame.requestId)).toEqual(Array.from({ length: sent }, (_, i) => i));
    expect(connection.send(FrameType.log, 0, 0, 0, 1, 0, 0, null, body)).toBe(true);
  });

  it('stops reading while paused and loses nothing', async () => {
    const server = stage.server();
    const client = stage.transport({ highWaterBytes: 1 << 16 });
    const recorder = new Recorder();
    const connection = client.connect(server.path, '{}', recorder);
    await recorder.until(() => recorder.frames.length === 1, 'HELLO');
    const accepted = server.accepted[0] as (typeof server.accepted)[0];
    await accepted.recorder.until(() => accepted.recorder.frames.length === 1, 'HELLO');
    accepted.connection.pause();
    let sent = 0;
    while (sent < 10_000 && connection.send(FrameType.invoke, 0, 0, sent, 0, 0, 0, null, 'x'.repeat(1000))) sent++;
    sent++;
    expect(sent).toBeLessThan(10_000);
    for (let i = 0; i < 5; i++) await turn();
    expect(accepted.recorder.frames.length).toBe(1);
    accepted.connection.resume();
    await accepted.recorder.until(() => accepted.recorder.frames.length === sent + 1, 'all frames');
    expect(accepted.recorder.of(FrameType.invoke).map((f) => f.requestId)).toEqual(
      Array.from({ length: sent }, (_, i) => i),
    );
  });

  it('does not store answers for a peer that pings without reading', async () => {
    const server = stage.server({ highWaterBytes: 4096 });
    const peer = await RawPeer.connect(server.path);
    stage.atEnd(() => peer.socket.destroy());
    await peer.until((frames) => frames.length === 1);
    peer.socket.pause();
    const pings = 20_000;
    const many = Buffer.concat(Array.from({ length: pings }, (_, i) => encode({ type: FrameType.ping, requestId: i })));
    peer.socket.write(Buffer.concat([hello(), many]));
    while (server.transport.counters().framesIn < pings + 1) await turn();
    peer.socket.resume();
    const last = encode({ type: FrameType.ping, requestId: 0xfffffff0 });
    await turn();
    peer.socket.write(last);
    const frames = await peer.until((received) => received.some((frame) => frame.requestId === 0xfffffff0));
    expect(frames.length).toBeLessThan(pings);
  });
});

describe('closing', () => {
  it('writes what was sent before, then ends', async () => {
    const server = stage.server();
    const peer = await RawPeer.connect(server.path);
    stage.atEnd(() => peer.socket.destroy());
    await peer.until((frames) => frames.length === 1);
    const { connection, recorder } = server.accepted[0] as (typeof server.accepted)[0];
    connection.send(FrameType.event, 0, 0, 5, 0, 0, 0, null, Buffer.alloc(8 << 20, 'e'));
    connection.close();
    expect(connection.send(FrameType.event, 0, 0, 6, 0, 0, 0, null, null)).toBe(false);
    await peer.closed;
    expect(peer.frames().map((frame) => [frame.requestId, frame.body.length])).toEqual([
      [0, 0],
      [5, 8 << 20],
    ]);
    expect(recorder.reason).toBeNull();
    while (server.transport.counters().connections > 0) await turn();
  });

  it('says false to sends on a connection that is gone', async () => {
    const server = stage.server();
    const recorder = new Recorder();
    const connection = stage.transport().connect(server.path, '{}', recorder);
    await recorder.until(() => recorder.frames.length === 1, 'HELLO');
    server.accepted[0]?.connection.close();
    expect((await recorder.ended()).code).toBe('end');
    expect(connection.send(FrameType.invoke, 0, 0, 1, 0, 0, 0, null, null)).toBe(false);
    expect(() => connection.peer()).toThrow(expect.objectContaining({ code: 'ENOTCONN' }));
  });

  it('still delivers what a peer said before it went, though writing to it fails', async () => {
    const server = stage.server();
    const peer = await RawPeer.connect(server.path);
    await peer.until((frames) => frames.length === 1);
    const { connection, recorder } = server.accepted[0] as (typeof server.accepted)[0];
    const invoke = encode({ type: FrameType.invoke, requestId: 12 });
    await new Promise<void>((resolve) => peer.socket.write(Buffer.concat([hello(), invoke]), () => resolve()));
    peer.socket.destroy();
    await peer.closed;
    connection.send(FrameType.event, 0, 0, 1, 0, 0, 0, null, 'lost');
    await recorder.ended();
    expect(recorder.of(FrameType.invoke).map((frame) => frame.requestId)).toEqual([12]);
  });
});

describe('listening', () => {
  it('replaces a stale socket, refuses a live one, and leaves other files alone', async () => {
    const path = stage.path();
    const program = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    await new Promise((resolve) => spawn(process.execPath, ['-e', program], { stdio: 'ignore' }).once('exit', resolve));
    expect(lstatSync(path).isSocket()).toBe(true);
    const first = stage.transport();
    const second = stage.transport();
    const stop = first.listen(path, 0o640, () => new Recorder());
    expect(lstatSync(path).mode & 0o777).toBe(0o640);
    expect(() => second.listen(path, 0o600, () => new Recorder())).toThrow(
      expect.objectContaining({ code: 'EADDRINUSE', syscall: 'bind', path }),
    );
    stop();
    expect(existsSync(path)).toBe(false);
    const file = stage.path();
    writeFileSync(file, 'precious');
    expect(() => second.listen(file, 0o600, () => new Recorder())).toThrow(
      expect.objectContaining({ code: 'EADDRINUSE' }),
    );
    expect(readFileSync(file, 'utf8')).toBe('precious');
  });

  it('does not take away the socket of a successor', async () => {
    const path = stage.path();
    const first = stage.transport();
    const stop = first.listen(path, 0o600, () => new Recorder());
    const { rmSync } = await import('node:fs');
    rmSync(path);
    const second = stage.transport();
    second.listen(path, 0o600, () => new Recorder());
    stop();
    expect(existsSync(path)).toBe(true);
  });

  it.each([
    ['a missing folder', '/nonexistent-folder/socket', 'ENOENT'],
    ['a path of 200 characters', `/tmp/${'x'.repeat(200)}`, 'ENAMETOOLONG'],
    ['no path', '', 'EINVAL'],
  ])('names what is wrong with %s', (_what, path, code) => {
    const transport = stage.transport();
    expect(() => transport.listen(path, 0o600, () => new Recorder())).toThrow(expect.objectContaining({ code }));
    expect(() => transport.connect(path, '{}', new Recorder())).toThrow(expect.objectContaining({ code }));
  });

  it('names a connect to nobody', () => {
    const path = stage.path();
    writeFileSync(path, '');
    expect(() => stage.transport().connect(path, '{}', new Recorder())).toThrow(
      expect.objectContaining({ code: 'ECONNREFUSED', syscall: 'connect', path }),
    );
  });

  it('accepts a crowd', async () => {
    const server = stage.echo();
    const client = stage.transport();
    const recorders = Array.from({ length: 300 }, () => new Recorder());
    const connections = recorders.map((recorder) => client.connect(server.path, '{}', recorder));
    for (const [i, connection] of connections.entries()) connection.send(5, 0, 0, i, 0, 0, 0, null, `${i}`);
    for (const [i, recorder] of recorders.entries()) {
      await recorder.until(() => recorder.of(FrameType.result).length === 1, `RESULT ${i}`);
      expect(recorder.of(FrameType.result)[0]?.body.toString()).toBe(`${i}`);
    }
  });

  it('waits for descriptors without spinning, and then accepts', async () => {
    const path = stage.path();
    const child = spawn(
      'prlimit',
      ['--nofile=40:40', process.execPath, '--import', 'tsx', 'test/transport/accept-without-descriptors.ts', path],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    stage.atEnd(() => child.kill('SIGKILL'));
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    const said = async (line: string) => {
      while (!output.includes(line)) await turn();
    };
    await said('listening');
    const sockets = Array.from({ length: 60 }, () => net.connect(path).on('error', () => {}));
    stage.atEnd(() => sockets.forEach((socket) => void socket.destroy()));
    await said('full');
    child.stdin.write('measure\n');
    await said('cpu-ms ');
    // A spinning listener burns all of the 500 ms.
    expect(Number(/cpu-ms (\d+)/.exec(output)?.[1])).toBeLessThan(250);
    for (const socket of sockets.slice(0, 50)) socket.destroy();
    await said('accepted 60');
    child.kill('SIGKILL');
  });
});

describe('attaching', () => {
  it('speaks on a socket that somebody else made, inherited as a descriptor', async () => {
    const module = new URL('../../src/transport/transport.ts', import.meta.url).pathname;
    const program = `import { Transport } from ${JSON.stringify(module)};
      const transport = new Transport({ maxBodyBytes: 1 << 20, spinUs: 0, highWaterBytes: 65536, hello: '{}' });
      transport.attach(3, '{"role":"agent"}', { closed() {}, frame(connection, frame) {
        if (frame.type === 5) connection.forward(6, 0, 0, frame.requestId, 0, 0, 0, null, frame.keep());
      } });`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
    });
    stage.atEnd(() => child.kill('SIGKILL'));
    const peer = new RawPeer(child.stdio[3] as net.Socket);
    peer.socket.write(Buffer.concat([hello(), encode({ type: 5, requestId: 4, body: Buffer.from('through 3') })]));
    const frames = await peer.until((received) => received.length === 2);
    expect(frames.map((frame) => [frame.type, frame.requestId, frame.meta, frame.body.toString()])).toEqual([
      [FrameType.hello, 0, '{"role":"agent"}', ''],
      [FrameType.result, 4, '', 'through 3'],
    ]);
    // Its connection was all that kept it alive.
    peer.socket.end();
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0);
  });
});

describe('keeping the loop alive', () => {
  const run = promisify(execFile);
  const program = (body: string) => [
    '--import',
    'tsx',
    '--input-type=module',
    '-e',
    `
    import { Transport } from ${JSON.stringify(new URL('../../src/transport/transport.ts', import.meta.url).pathname)};
    const make = () => new Transport({ maxBodyBytes: 1 << 20, spinUs: 0, highWaterBytes: 65536, hello: '{}' });
    const path = process.argv.at(-1);
    ${body}`,
    stage.path(),
  ];

  it('ends with no listener and no connection', async () => {
    const body = "make(); const t = make(); t.listen(path, 0o600, () => ({}))(); console.log('ready');";
    expect((await run(process.execPath, program(body))).stdout).toBe('ready\n');
  });

  it('stays for a connection until that is closed, and for a paused one too', async () => {
    const body = `const server = make(); const client = make();
      const stop = server.listen(path, 0o600, () => ({ frame() {}, closed() { console.log('closed'); } }));
      const connection = client.connect(path, '{}', { frame() { connection.pause(); stop();
        setTimeout(() => { console.log('still here'); connection.close(); }, 100).unref(); }, closed() {} });`;
    expect((await run(process.execPath, program(body))).stdout).toBe('still here\nclosed\n');
  });
});
