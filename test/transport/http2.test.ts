import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import { connect as tcp } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Frame } from '../../src/transport/frame.js';
import { fieldsText, HTTP2_END, type Http2Connection, Http2Event } from '../../src/transport/http2.js';
import { startHttp2Server, type TestServer } from './http2-support.js';

/** HTTP/2 on the transport against Node's own as the client: whatever is cut, held back or given up, each call has its own answer. */

const HEADERS = fieldsText({ ':status': 200, 'content-type': 'application/grpc' });
const TRAILERS = fieldsText({ 'grpc-status': 0 });
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

let server: TestServer;
let bodies: Map<Http2Connection, Map<number, Buffer[]>>;
let resets: number;
let silent: boolean;
const ends: (() => unknown)[] = [];

/** Answers every call with what it was sent, in one piece. */
function echo(connection: Http2Connection, frame: Frame): void {
  const open = bodies.get(connection) ?? new Map<number, Buffer[]>();
  bodies.set(connection, open);
  if (frame.type === Http2Event.request) open.set(frame.requestId, []);
  if (frame.type === Http2Event.reset) {
    resets++;
    open.delete(frame.requestId);
  }
  const body = open.get(frame.requestId);
  if (body === undefined) return;
  body.push(frame.body());
  if ((frame.flags & HTTP2_END) === 0 || silent) return;
  open.delete(frame.requestId);
  connection.respond(frame.requestId, HEADERS, Buffer.concat(body), TRAILERS, true);
}

beforeEach(async () => {
  bodies = new Map();
  resets = 0;
  silent = false;
  server = await startHttp2Server(echo, { streamWindow: 100_000, connectionWindow: 300_000 });
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  await server[Symbol.asyncDispose]();
});

function session(initialWindowSize = 65_535): ClientHttp2Session {
  const made = connect(`http://127.0.0.1:${server.port}`, { settings: { initialWindowSize, enablePush: false } });
  made.on('error', () => {});
  ends.push(() => made.destroy());
  return made;
}

function begin(client: ClientHttp2Session): ClientHttp2Stream {
  const stream = client.request({ ':method': 'POST', ':path': '/s/m', 'content-type': 'application/grpc' });
  stream.on('error', () => {});
  return stream;
}

/** What came back, or null when the stream ended without trailers. `lazy`: it is read a little at a time. */
function answerTo(stream: ClientHttp2Stream, lazy = false): Promise<Buffer | null> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let status: unknown;
    stream.on('trailers', (trailers) => {
      status = trailers['grpc-status'];
    });
    stream.on('data', (chunk: Buffer) => {
      parts.push(chunk);
      if (!lazy) return;
      stream.pause();
      setTimeout(() => stream.resume(), 1);
    });
    stream.on('close', () => resolve(status === '0' ? Buffer.concat(parts) : null));
  });
}

function filled(bytes: number, seed: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at++) buffer[at] = (at * 31 + seed) & 0xff;
  return buffer;
}

it('answers each call with its own, however calls are cut, mixed and given up, through windows of any size', async () => {
  const call = fc.record({
    bytes: fc.oneof(fc.nat(50), fc.nat(40_000), fc.nat(400_000)),
    pieces: fc.integer({ min: 1, max: 5 }),
    lazy: fc.boolean(),
    givenUp: fc.integer({ min: 0, max: 9 }).map((dice) => dice === 0),
  });
  const calls = fc.array(call, { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(calls, fc.integer({ min: 1, max: 200_000 }), async (asked, window) => {
      // A window of a few bytes makes as many frames as bytes.
      const most = window < 1000 ? 2_000 : 400_000;
      const client = session(window);
      const answers = asked.map(async ({ bytes, pieces, lazy, givenUp }, n) => {
        const body = filled(Math.min(bytes, most), n);
        const stream = begin(client);
        const answer = answerTo(stream, lazy);
        const size = Math.ceil(body.length / pieces) || 1;
        for (let at = 0; at < body.length; at += size) {
          stream.write(body.subarray(at, at + size));
          if (pieces > 3) await sleep(0);
        }
        if (givenUp) stream.close(constants.NGHTTP2_CANCEL);
        else stream.end();
        return { body, answer: await answer, givenUp };
      });
      for (const { body, answer, givenUp } of await Promise.all(answers)) {
        if (!givenUp) expect(answer?.equals(body)).toBe(true);
      }
      client.close();
      await once(client, 'close');
    }),
    { numRuns: 20 },
  );
  await expect.poll(() => server.connections.size).toBe(0);
  expect(server.transport.counters().payloadsLive).toBe(0);
}, 120_000);

it('takes the bytes of a client cut anywhere', async () => {
  const bytes = Buffer.concat([
    PREFACE,
    frameOf(4, 0, 0, Buffer.alloc(0)),
    frameOf(1, 4, 1, literals({ ':method': 'POST', ':scheme': 'http', ':path': '/s/m', 'x-name': 'value' })),
    frameOf(0, 0, 1, Buffer.from('hello ')),
    frameOf(6, 0, 0, Buffer.from('12345678')),
    frameOf(0, 1, 1, Buffer.from('world')),
  ]);
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.integer({ min: 1, max: bytes.length - 1 }), { maxLength: 8 }), async (cuts) => {
      const socket = tcp({ port: server.port, host: '127.0.0.1', noDelay: true });
      const parts: Buffer[] = [];
      socket.on('data', (chunk: Buffer) => parts.push(chunk));
      let from = 0;
      for (const to of [...cuts.sort((a, b) => a - b), bytes.length]) {
        socket.write(bytes.subarray(from, to));
        from = to;
        await sleep(0);
      }
      await expect.poll(() => Buffer.concat(parts).includes('hello world'), { interval: 1 }).toBe(true);
      socket.destroy();
    }),
    { numRuns: 30 },
  );
});

it('hears of calls that are given up, once each', async () => {
  // Node ends a stream before it resets it, and an answer in between would be the end.
  silent = true;
  const client = session();
  const streams = Array.from({ length: 20 }, () => begin(client));
  for (const stream of streams) stream.write('x');
  await expect.poll(() => [...bodies.values()][0]?.size).toBe(20);
  for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
  await expect.poll(() => resets).toBe(20);
  silent = false;
  const last = begin(client);
  last.end('still here');
  expect(String(await answerTo(last))).toBe('still here');
});

it('reads no more of a client that pings and does not read, and serves the others', async () => {
  const socket = tcp(server.port, '127.0.0.1');
  ends.push(() => socket.destroy());
  socket.on('error', () => {});
  // Nobody listens to what comes: the kernel's buffers fill, and then ours.
  socket.pause();
  socket.write(Buffer.concat([PREFACE, frameOf(4, 0, 0, Buffer.alloc(0))]));
  const ping = frameOf(6, 0, 0, Buffer.from('12345678'));
  const many = Buffer.concat(Array.from({ length: 10_000 }, () => ping));
  for (let n = 0; n < 400; n++) socket.write(many);
  await expect
    .poll(
      async () => {
        const before = socket.bytesWritten - socket.writableLength;
        await sleep(200);
        return socket.bytesWritten - socket.writableLength === before;
      },
      { timeout: 20_000 },
    )
    .toBe(true);
  expect(socket.writableLength).toBeGreaterThan(0);
  const other = begin(session());
  other.end('hello');
  expect(String(await answerTo(other))).toBe('hello');
});

it('says that it is leaving, answers what it has, and is then closed by its client', async () => {
  const client = session();
  const stream = begin(client);
  stream.write('half');
  await expect.poll(() => [...bodies.values()][0]?.size).toBe(1);
  const [connection] = server.connections;
  const goaway = once(client, 'goaway');
  connection?.leave();
  expect((await goaway)[1]).toBe(1);
  stream.end(' and the rest');
  expect(String(await answerTo(stream))).toBe('half and the rest');
  await expect.poll(() => server.connections.size).toBe(0);
});

it('closes a connection at once, with all that is on it', async () => {
  const client = session();
  const stream = begin(client);
  stream.write('half');
  await expect.poll(() => [...bodies.values()][0]?.size).toBe(1);
  const [connection] = server.connections;
  const answer = answerTo(stream);
  connection?.abort();
  expect(await answer).toBeNull();
  // Whatever comes for it now goes nowhere.
  connection?.respond(1, HEADERS, Buffer.from('late'), TRAILERS, true);
  connection?.ping();
});

function frameOf(kind: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = kind;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A header block of short literals. */
function literals(fields: Record<string, string>): Buffer {
  const parts = Object.entries(fields).flatMap(([name, value]) => [
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([value.length]),
    Buffer.from(value),
  ]);
  return Buffer.concat(parts);
}
