import { constants, createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer as createSocketServer, type Socket } from 'node:net';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import type { GrpcClientOptions } from '../../../src/client/grpc/options.js';
import { GrpcWorkerClient } from '../../../src/client/grpc/worker-client.js';
import { IluvatarError } from '../../../src/core/errors.js';
import { PingRequest, PingResponse } from '../../../src/rpc/gen/iluvatar_rpc.js';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

const PONG = PingResponse.encode({ message: 'Pong' }).finish();
const OK = { 'grpc-status': '0' };
const REFUSED = constants.NGHTTP2_REFUSED_STREAM;
const HEADERS = { ':status': 200, 'content-type': 'application/grpc' };

type OnCall = (stream: ServerHttp2Stream, session: ServerHttp2Session, body: Buffer) => void;

/** A server that answers as the test says, rightly or not. */
class BareServer {
  readonly sessions: ServerHttp2Session[] = [];
  calls = 0;
  readonly #server: Http2Server;

  constructor(onCall: OnCall) {
    this.#server = createServer();
    this.#server.on('session', (session) => {
      this.sessions.push(session);
      session.on('error', () => undefined);
    });
    this.#server.on('stream', (stream) => {
      this.calls++;
      stream.on('error', () => undefined);
      const body: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => body.push(chunk));
      stream.on('end', () => onCall(stream, stream.session as ServerHttp2Session, Buffer.concat(body)));
    });
  }

  static async start(onCall: OnCall, port = 0): Promise<BareServer> {
    const made = new BareServer(onCall);
    await new Promise<void>((resolve) => made.#server.listen(port, '127.0.0.1', resolve));
    cleanups.push(() => made.close());
    return made;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  client(options?: GrpcClientOptions): GrpcWorkerClient {
    const client = new GrpcWorkerClient(`127.0.0.1:${this.port}`, options);
    cleanups.push(() => client.close());
    return client;
  }

  /** Ends every connection, and listens no more. */
  close(): Promise<void> {
    for (const session of this.sessions) session.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

function frame(message: Uint8Array, flag = 0): Buffer {
  const bytes = Buffer.alloc(5 + message.length, message);
  bytes[0] = flag;
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, 5);
  return bytes;
}

function answer(
  stream: ServerHttp2Stream,
  chunks: readonly Uint8Array[],
  headers: Record<string, string> = {},
  trailers: Record<string, string> = OK,
): void {
  stream.respond({ ...HEADERS, ...headers }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
}

async function failure(promise: Promise<unknown>): Promise<IluvatarError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(IluvatarError);
  return error as IluvatarError;
}

describe('answers', () => {
  it('reads one that comes a byte at a time, and one that is compressed', async () => {
    const zipped = frame(gzipSync(PONG), 1);
    let call = 0;
    const server = await BareServer.start((stream) => {
      if (call++ === 0)
        answer(
          stream,
          [...frame(PONG)].map((byte) => Buffer.from([byte])),
        );
      else answer(stream, [zipped], { 'grpc-encoding': 'gzip' });
    });
    const client = server.client();
    expect(await client.ping()).toEqual({ message: 'Pong' });
    expect(await client.ping()).toEqual({ message: 'Pong' });
  });

  it('names what is wrong with one', async () => {
    const bad: [says: string, OnCall][] = [
      ['HTTP 503', (stream) => stream.respond({ ':status': 503 }, { endStream: true })],
      ['HTTP 404', (stream) => stream.respond({ ':status': 404 }, { endStream: false })],
      ['not gRPC', (stream) => answer(stream, [frame(PONG)], {}, { 'x-other': '1' })],
      ['without a message', (stream) => answer(stream, [])],
      ['without a message', (stream) => stream.respond({ ...HEADERS, ...OK }, { endStream: true })],
      ['not one message', (stream) => answer(stream, [frame(PONG), frame(PONG)])],
      ['not one message', (stream) => answer(stream, [frame(PONG).subarray(0, 7)])],
      ['not one message', (stream) => answer(stream, [Buffer.from([0, 0])])],
      ['cannot be read', (stream) => answer(stream, [frame(Buffer.from([10, 200]))])],
      ['compressed with "identity"', (stream) => answer(stream, [frame(PONG, 1)])],
      ['cannot be decompressed', (stream) => answer(stream, [frame(PONG, 1)], { 'grpc-encoding': 'gzip' })],
      ['unanswered', (stream) => stream.respond(HEADERS, { endStream: true })],
      ['RESOURCE', (stream) => answer(stream, [], {}, { 'grpc-status': '8' })],
      ['%zz', (stream) => answer(stream, [], {}, { 'grpc-status': '13', 'grpc-message': '%zz' })],
      ['status 99', (stream) => answer(stream, [], {}, { 'grpc-status': '99' })],
    ];
    let now: OnCall = () => undefined;
    const server = await BareServer.start((stream, session, body) => now(stream, session, body));
    const client = server.client();
    for (const [says, misbehave] of bad) {
      now = misbehave;
      expect((await failure(client.ping())).message).toContain(says);
    }
    now = (stream) => answer(stream, [frame(PONG)]);
    expect(await client.ping()).toEqual({ message: 'Pong' });
    expect(server.sessions).toHaveLength(1);
  });

  it('compresses what it sends when it shall', async () => {
    const bodies: Buffer[] = [];
    const server = await BareServer.start((stream, _session, body) => {
      bodies.push(body);
      answer(stream, [frame(PONG)]);
    });
    await server.client({ compression: 'gzip' }).ping({ message: 'a'.repeat(10_000) });
    const [body] = bodies;
    expect([body?.[0], body?.readUInt32BE(1)]).toEqual([1, (body?.length ?? 0) - 5]);
    const message = PingRequest.decode(gunzipSync(body?.subarray(5) ?? ''));
    expect(message.message).toHaveLength(10_000);
  });

  it('does not unpack a bomb', async () => {
    const bomb = frame(gzipSync(Buffer.alloc(10_000_000)), 1);
    const server = await BareServer.start((stream) => answer(stream, [bomb], { 'grpc-encoding': 'gzip' }));
    const error = await failure(server.client({ maxMessageBytes: 1_000_000 }).ping());
    expect(error.errorClass).toBe('too_large');
  });

  it('tells by the code why a call was reset', async () => {
    const codes = [2, 8, 11];
    const server = await BareServer.start((stream) => stream.close(codes.shift()));
    const client = server.client();
    const errors = [await failure(client.ping()), await failure(client.ping()), await failure(client.ping())];
    expect(errors.map(({ errorClass }) => errorClass)).toEqual(['internal', 'cancelled', 'overloaded']);
    expect(errors[0]?.message).toContain('INTERNAL_ERROR');
    expect(errors[0]?.details.mayHaveRun).toBe(true);
  });
});

/** A frame of HTTP/2 without any settings: all that a client waits for. */
const EMPTY_SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

/** Accepts, says `greeting`, and nothing more. */
async function silentServer(greeting: Buffer | null = null): Promise<AddressInfo> {
  const sockets: Socket[] = [];
  const server = createSocketServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    if (greeting !== null) socket.write(greeting);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return server.address() as AddressInfo;
}

describe('connections', () => {
  it('says that a call may have run when the connection is lost under it', async () => {
    const server = await BareServer.start((_stream, session) => session.destroy());
    const error = await failure(server.client().ping());
    expect([error.errorClass, error.details.mayHaveRun]).toEqual(['unavailable', true]);
  });

  it('connects again when it was lost, and fails at once while nobody listens', async () => {
    const first = await BareServer.start((stream) => answer(stream, [frame(PONG)]));
    const client = first.client({ maxBackoffMs: 1 });
    const { port } = first;
    expect(await client.ping()).toEqual({ message: 'Pong' });
    await first.close();
    await expect.poll(async () => (await failure(client.ping())).message).toContain('ECONNREFUSED');
    await BareServer.start((stream) => answer(stream, [frame(PONG)]), port);
    await expect.poll(() => client.ping().catch(() => null)).toEqual({ message: 'Pong' });
  });

  it('sends again what the server refuses, and what it will not touch when it goes away', async () => {
    let calls = 0;
    const server = await BareServer.start((stream, session) => {
      calls++;
      if (calls <= 2) stream.close(REFUSED);
      // The third stream has number 5.
      else if (calls === 3) session.goaway(0, 3);
      else answer(stream, [frame(PONG)]);
    });
    expect(await server.client().ping()).toEqual({ message: 'Pong' });
    expect(calls).toBe(4);
    expect(server.sessions).toHaveLength(2);
  });

  it('gives up when everything is refused', async () => {
    const server = await BareServer.start((stream) => stream.close(REFUSED));
    const error = await failure(server.client().ping());
    expect([error.errorClass, error.details.mayHaveRun]).toEqual(['unavailable', undefined]);
    expect(server.calls).toBe(5);
  });

  it('ends what runs on a connection that is going away, and starts on another', async () => {
    const held: ServerHttp2Stream[] = [];
    const server = await BareServer.start((stream, session) => {
      if (held.push(stream) > 1) answer(stream, [frame(PONG)]);
      else session.close();
    });
    const client = server.client();
    const first = client.ping();
    await expect.poll(() => server.sessions[0]?.closed).toBe(true);
    await expect.poll(() => client.ping()).toEqual({ message: 'Pong' });
    await expect.poll(() => server.sessions.length).toBe(2);
    answer(held[0] as ServerHttp2Stream, [frame(PONG)]);
    expect(await first).toEqual({ message: 'Pong' });
  });

  it('wants to see HTTP/2 before it calls', async () => {
    const { port } = await silentServer();
    const client = new GrpcWorkerClient(`127.0.0.1:${port}`, { connectTimeoutMs: 100 });
    cleanups.push(() => client.close());
    expect((await failure(client.ping())).message).toContain('nothing answered within 100 ms');
    expect((await failure(client.ping({}, { timeoutMs: 1 }))).errorClass).toMatch(/timeout|unavailable/);
  });

  it('misses the sign of life of a server that hangs', async () => {
    const { port } = await silentServer(EMPTY_SETTINGS);
    const client = new GrpcWorkerClient(`127.0.0.1:${port}`, { keepAliveMs: 20, keepAliveTimeoutMs: 100 });
    cleanups.push(() => client.close());
    const error = await failure(client.ping());
    expect([error.errorClass, error.message]).toEqual([
      'unavailable',
      'the connection was lost: no sign of life within 100 ms',
    ]);
  });
});
