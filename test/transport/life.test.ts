import { once } from 'node:events';
import { existsSync, fstatSync, openSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EVENT_WORDS, type NativeTransport, native } from '../../src/native.js';
import { FrameType } from '../../src/transport/frames.js';
import { Recorder, Stage } from './support.js';

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => stage.end());

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** What a worker thread runs: an echo server and a client that keeps 64 requests in flight for ever. Plain JavaScript, so that a round takes no loader. */
const TRAFFIC = `
const { parentPort, workerData } = require('node:worker_threads');
const addon = require('node-gyp-build')(workerData.root);
function make(onRecord) {
  const events = new Uint32Array(${EVENT_WORDS} * 1024);
  const transport = addon.transport.create({ maxBodyBytes: 1 << 20, spinUs: workerData.spinUs, highWaterBytes: 1 << 20, events,
    onEvents(count) { for (let i = 0; i < count; i++) onRecord(transport, events.subarray(i * ${EVENT_WORDS}, (i + 1) * ${EVENT_WORDS})); } });
  return transport;
}
const server = make((t, e) => { if (e[1] === 5) t.forward(e[0], 6, 0, 0, e[4], 0, 0, 0, null, e[10]); });
server.setHello('{}');
server.listen(workerData.path, 0o600, 128);
let answers = 0;
const client = make((t, e) => {
  if (e[1] !== 6) return;
  t.drop(e[10]);
  if (++answers === 500) parentPort.postMessage('busy');
  t.send(e[0], 5, 0, 0, e[4], 0, 0, 0, null, 'payload '.repeat(e[4] * 50));
});
for (let c = 0; c < 4; c++) {
  const connection = client.connect(workerData.path, '{}', false);
  for (let i = 0; i < 16; i++) client.send(connection, 5, 0, 0, i, 0, 0, 0, '{"function":"f"}', 'first');
}
`;

function traffic(spinUs = 0): Worker {
  const root = new URL('../..', import.meta.url).pathname;
  const worker = new Worker(TRAFFIC, { eval: true, workerData: { path: stage.path(), root, spinUs } });
  stage.atEnd(() => void worker.terminate());
  return worker;
}

describe('life and death', () => {
  it('survives 20 worker threads terminated in the middle of their traffic', async () => {
    for (let round = 0; round < 20; round++) {
      const worker = traffic(round % 2 === 0 ? 0 : 50);
      await once(worker, 'message');
      expect(await worker.terminate()).toBe(1);
    }
  });

  it('serves two threads at once beside the main one', async () => {
    const workers = [traffic(), traffic()];
    const server = stage.echo();
    const recorder = new Recorder();
    const connection = stage.transport().connect(server.path, '{}', recorder);
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    for (let i = 0; i < 200; i++) connection.send(FrameType.invoke, 0, 0, i, 0, 0, 0, null, `${i}`);
    await recorder.until(() => recorder.of(FrameType.result).length === 200, '200 results');
    expect(await Promise.all(workers.map((worker) => worker.terminate()))).toEqual([1, 1]);
  });

  it('takes its socket file away when its thread ends', async () => {
    const worker = traffic();
    await once(worker, 'message');
    await worker.terminate();
    expect(existsSync(`${stage.folder}/s1`)).toBe(false);
  });

  it('can be destroyed inside its own callback, with records still to come', async () => {
    const server = stage.echo();
    const client = stage.transport();
    let seen = 0;
    const connection = client.connect(server.path, '{}', {
      frame(_connection, frame) {
        if (frame.type !== FrameType.result) return;
        seen++;
        client.destroy();
        client.destroy();
      },
      closed() {
        throw new Error('destroy does not report');
      },
    });
    for (let i = 0; i < 3000; i++) connection.send(FrameType.invoke, 0, 0, i, 0, 0, 0, null, 'body');
    while (seen === 0) await turn();
    for (let i = 0; i < 20; i++) await turn();
    expect(seen).toBe(1);
    expect(connection.open).toBe(false);
    expect(connection.send(FrameType.invoke, 0, 0, 1, 0, 0, 0, null, null)).toBe(false);
    expect(() => client.counters()).toThrow(expect.objectContaining({ code: 'ERR_TRANSPORT_DESTROYED' }));
    expect(() => client.listen(stage.path(), 0o600, () => new Recorder())).toThrow(
      expect.objectContaining({ code: 'ERR_TRANSPORT_DESTROYED' }),
    );
    while (server.transport.counters().connections > 0) await turn();
  });

  it('every native call after destroy says so, and none crashes', () => {
    const transport = native().transport.create({
      maxBodyBytes: 1024,
      spinUs: 0,
      highWaterBytes: 1024,
      events: new Uint32Array(EVENT_WORDS),
      onEvents() {},
    });
    transport.destroy();
    transport.destroy();
    const calls: ((t: NativeTransport) => unknown)[] = [
      (t) => t.listen('/tmp/x', 0o600, 1),
      (t) => t.closeListener(1),
      (t) => t.connect('/tmp/x', '', false),
      (t) => t.setHello(''),
      (t) => t.attach(0, '', false),
      (t) => t.attachGreeted(0, 1024),
      (t) => t.detach(1, 0),
      (t) => t.descriptor(1),
      (t) => t.peerMaxBody(1),
      (t) => t.send(1, 5, 0, 0, 0, 0, 0, 0, null, null),
      (t) => t.forward(1, 5, 0, 0, 0, 0, 0, 0, null, 1),
      (t) => t.meta(1),
      (t) => t.body(1),
      (t) => t.drop(1),
      (t) => t.close(1),
      (t) => t.pause(1),
      (t) => t.resume(1),
      (t) => t.peer(1),
      (t) => t.lastError(1),
      (t) => t.counters(),
    ];
    for (const call of calls) {
      expect(() => call(transport)).toThrow(expect.objectContaining({ code: 'ERR_TRANSPORT_DESTROYED' }));
    }
  });

  it('shrugs at ids and tokens that never were or are no more', async () => {
    const server = stage.echo();
    const transport = native().transport.create({
      maxBodyBytes: 1024,
      spinUs: 0,
      highWaterBytes: 1024,
      events: new Uint32Array(EVENT_WORDS),
      onEvents() {},
    });
    stage.atEnd(() => transport.destroy());
    const id = transport.connect(server.path, '{}', false);
    for (const token of [0, 1, 0xffffffff, 1 << 24, Number.NaN]) {
      expect(transport.meta(token)).toBe('');
      expect(transport.body(token).length).toBe(0);
      transport.drop(token);
      expect(transport.forward(id, 5, 0, 0, 1, 0, 0, 0, null, token)).toBe(true);
    }
    for (const connection of [0, 7, 0x7fffffff, 0xffffffff]) {
      expect(transport.send(connection, 5, 0, 0, 1, 0, 0, 0, null, 'x')).toBe(false);
      expect(transport.detach(connection, 0)).toBe(-1);
      expect(transport.peerMaxBody(connection)).toBe(Number.POSITIVE_INFINITY);
      expect(() => transport.descriptor(connection)).toThrow(expect.objectContaining({ code: 'ENOTCONN' }));
      transport.close(connection);
      transport.pause(connection);
      transport.resume(connection);
    }
    expect(() => native().transport.create({} as never)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }),
    );
    for (const fd of [-1, 99_999]) {
      expect(() => transport.attach(fd, '{}', false)).toThrow(expect.objectContaining({ code: 'EBADF' }));
      expect(() => transport.attachGreeted(fd, 1024)).toThrow(expect.objectContaining({ code: 'EBADF' }));
    }
    const attempts = [
      (fd: number) => transport.attach(fd, '{}', false),
      (fd: number) => transport.attachGreeted(fd, 1024),
    ];
    for (const attempt of attempts) {
      const file = openSync('/dev/null', 'r');
      expect(() => attempt(file)).toThrow(expect.objectContaining({ code: 'ENOTSOCK' }));
      expect(() => fstatSync(file)).toThrow(expect.objectContaining({ code: 'EBADF' }));
    }
  });

  it('works with an event array of one record', async () => {
    const server = stage.echo();
    const events = new Uint32Array(EVENT_WORDS);
    const answers: number[] = [];
    const transport = native().transport.create({
      maxBodyBytes: 1 << 20,
      spinUs: 0,
      highWaterBytes: 1 << 20,
      events,
      onEvents(count) {
        expect(count).toBe(1);
        if (events[1] === FrameType.result) answers.push(events[4] as number);
        transport.drop(events[10] as number);
      },
    });
    stage.atEnd(() => transport.destroy());
    const id = transport.connect(server.path, '{}', false);
    for (let i = 0; i < 500; i++) transport.send(id, 5, 0, 0, i, 0, 0, 0, null, `${i}`);
    while (answers.length < 500) await turn();
    expect(answers).toEqual(Array.from({ length: 500 }, (_, i) => i));
    expect(transport.counters().payloadsLive).toBe(0);
  });

  it('surfaces an exception of a handler and loses none of the other frames', async () => {
    const thrown: unknown[] = [];
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => thrown.push(error));
    try {
      const server = stage.echo();
      const seen: number[] = [];
      const connection = stage.transport().connect(server.path, '{}', {
        frame(_connection, frame) {
          if (frame.type !== FrameType.result) return;
          seen.push(frame.requestId);
          if (frame.requestId % 10 === 0) throw new Error(`handler ${frame.requestId}`);
        },
        closed() {},
      });
      for (let i = 0; i < 100; i++) connection.send(FrameType.invoke, 0, 0, i, 0, 0, 0, null, 'b');
      while (seen.length < 100 || thrown.length < 10) await turn();
      expect(seen).toEqual(Array.from({ length: 100 }, (_, i) => i));
      expect(thrown.map((error) => (error as Error).message)).toEqual(
        Array.from({ length: 10 }, (_, i) => `handler ${i * 10}`),
      );
      // The native door itself as well: its receiver throws.
      const events = new Uint32Array(EVENT_WORDS * 4);
      const bare = native().transport.create({
        maxBodyBytes: 1024,
        spinUs: 0,
        highWaterBytes: 1024,
        events,
        onEvents() {
          throw new Error('receiver');
        },
      });
      stage.atEnd(() => bare.destroy());
      bare.connect(server.path, '{}', false);
      while (thrown.length < 11) await turn();
      expect((thrown[10] as Error).message).toBe('receiver');
    } finally {
      process.removeAllListeners('uncaughtException');
      for (const listener of listeners) process.on('uncaughtException', listener);
    }
  });

  it('answers as well while it spins', async () => {
    const server = stage.echo({ spinUs: 200 });
    const recorder = new Recorder();
    const connection = stage.transport({ spinUs: 200 }).connect(server.path, '{}', recorder);
    for (let i = 0; i < 300; i++) {
      connection.send(FrameType.invoke, 0, 0, i, 0, 0, 0, null, 'x');
      await recorder.until(() => recorder.of(FrameType.result).length === i + 1, `RESULT ${i}`);
    }
  });
});
