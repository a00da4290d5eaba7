import { type ClientHttp2Session, connect } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import type { GrpcCall } from '../../src/server/grpc/grpc-call.js';
import { GrpcServer } from '../../src/server/grpc/grpc-server.js';
import { frameOf } from '../../src/server/grpc/message-reader.js';
import type { GrpcMethods } from '../../src/server/grpc/method.js';

const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const clean of cleanups.splice(0).reverse()) clean();
});

async function connected(methods: GrpcMethods): Promise<ClientHttp2Session> {
  const limits = { maxMessageBytes: 1024, compressFromBytes: 1024, maxConcurrentStreams: 100 };
  const pings = { keepAliveMs: 0, keepAliveTimeoutMs: 1000, minPingMs: 60_000 };
  const server = new GrpcServer({ methods, ...limits, ...pings, log: pino({ level: 'silent' }) });
  await new Promise<void>((resolve) => server.server.listen(0, '127.0.0.1', resolve));
  const session = connect(`http://127.0.0.1:${(server.server.address() as AddressInfo).port}`);
  session.on('error', () => undefined);
  cleanups.push(() => {
    session.destroy();
    server.server.close();
  });
  return session;
}

function ping(session: ClientHttp2Session): Promise<boolean> {
  return new Promise((resolve) => {
    const closed = (): void => resolve(false);
    session.once('close', closed);
    session.ping((error) => {
      session.off('close', closed);
      resolve(error === null);
    });
  });
}

describe('pings of a client', () => {
  it('may follow every answer: so clients of Go and of the C core measure their line', async () => {
    const waiting: GrpcCall[] = [];
    const session = await connected(new Map([['/s/m', { kind: 'unary', serve: (call) => waiting.push(call) }]]));
    const answers = Array.from({ length: 12 }, () => {
      const stream = session.request({ ':method': 'POST', ':path': '/s/m', 'content-type': 'application/grpc' });
      stream.end(frameOf(new Uint8Array(0)));
      return new Promise<unknown>((resolve) => {
        stream.resume();
        stream.on('error', resolve);
        stream.on('trailers', (trailers) => resolve(trailers['grpc-status']));
      });
    });
    await expect.poll(() => waiting.length).toBe(12);
    for (const [i, answer] of answers.entries()) {
      waiting[i]?.answer(frameOf(new Uint8Array(0)));
      expect(await answer).toBe('0');
      expect(await ping(session)).toBe(true);
    }
  });

  it('are a flood when nothing is called', async () => {
    const session = await connected(new Map());
    const answered: boolean[] = [];
    while (answered.at(-1) !== false && answered.length < 100) answered.push(await ping(session));
    expect(answered.at(-1)).toBe(false);
    expect(answered.length).toBeLessThan(10);
  });
});
