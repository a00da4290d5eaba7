import { type ClientHttp2Session, constants } from 'node:http2';
import { connect as tcp } from 'node:net';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InvokeRequest, InvokeResponse } from '../../../src/rpc/gen/iluvatar_rpc.js';
import type { GrpcEdge } from '../../../src/server/grpc/edge.js';
import { frameOf } from '../../../src/server/grpc/message-reader.js';
import { GrpcCode } from '../../../src/server/grpc/status.js';
import { eventually, ScriptedGateway } from '../http/scripted-gateway.js';
import { GrpcStage, type RawAnswer, raw, request } from './support.js';

/** What a client may say that is right, odd or wrong, byte by byte. */

let stage: GrpcStage;
let gateway: ScriptedGateway;
let edge: GrpcEdge;
let session: ClientHttp2Session;
const MAX = 64 * 1024;

beforeEach(async () => {
  stage = new GrpcStage();
  gateway = new ScriptedGateway();
  edge = await stage.edge(gateway, { maxMessageBytes: MAX });
  session = stage.session(edge.port);
});
afterEach(() => stage.end());

const message = (name: string, args = '{}') => Buffer.from(InvokeRequest.encode(request(name, args)).finish());
const framed = (name: string, args = '{}') => frameOf(message(name, args));

function responseOf({ body }: RawAnswer): InvokeResponse {
  expect(body.readUInt32BE(1)).toBe(body.length - 5);
  return InvokeResponse.decode(body.subarray(5));
}

function statusOf({ headers, trailers }: RawAnswer): number {
  return Number(trailers['grpc-status'] ?? headers['grpc-status']);
}

function messageOf({ headers, trailers }: RawAnswer): string {
  return decodeURIComponent(String(trailers['grpc-message'] ?? headers['grpc-message'] ?? ''));
}

it('answers with headers, one message and trailers', async () => {
  const answer = await raw(session, {}, [framed('echo', '{"a":"ü"}')]);
  expect(answer.headers).toMatchObject({ ':status': 200, 'content-type': 'application/grpc' });
  expect(answer.trailers).toEqual(expect.objectContaining({ 'grpc-status': '0' }));
  expect(responseOf(answer)).toMatchObject({ jsonResult: '{"a":"ü"}', success: true, compute: 1, containerState: 4 });
});

it('takes a message cut anywhere, with or without an end of its own', async () => {
  const bytes = framed('echo', '{"a":[1,2,3]}');
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.integer({ min: 1, max: bytes.length - 1 }), { maxLength: 6 }), async (cuts) => {
      const at = [0, ...cuts.sort((a, b) => a - b), bytes.length];
      const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
      expect(responseOf(await raw(session, {}, chunks)).jsonResult).toBe('{"a":[1,2,3]}');
    }),
    { numRuns: 30 },
  );
});

describe('what is no call', () => {
  it.each([undefined, 'application/json', 'application/grpc-web', 'application/grpc+json'])(
    'answers 415 to content type %s',
    async (type) => {
      const answer = await raw(session, { 'content-type': type }, [framed('echo')]);
      expect(answer.headers[':status']).toBe(415);
      expect(answer.headers['grpc-status']).toBeUndefined();
    },
  );

  it('answers 405 to another method than POST', async () => {
    const answer = await raw(session, { ':method': 'GET' }, []);
    expect(answer.headers).toMatchObject({ ':status': 405, allow: 'POST' });
  });

  it.each([
    '/iluvatar_rpc.IluvatarWorker/nothing',
    '/other.Service/invoke',
    '/',
    '/iluvatar_rpc.IluvatarWorker/__proto__',
  ])('answers UNIMPLEMENTED to %s, in headers alone', async (path) => {
    const answer = await raw(session, { ':path': path }, [framed('echo')]);
    expect(answer.headers).toMatchObject({ ':status': 200, 'content-type': 'application/grpc' });
    expect(statusOf(answer)).toBe(GrpcCode.unimplemented);
    expect(messageOf(answer)).toContain(path);
    expect(answer.trailers).toEqual({});
  });
});

describe('messages that are wrong', () => {
  const cases: readonly (readonly [string, Uint8Array[], number])[] = [
    ['no message', [], GrpcCode.unimplemented],
    ['an empty DATA frame', [Buffer.alloc(0)], GrpcCode.unimplemented],
    ['two messages', [Buffer.concat([framed('hold'), framed('hold')])], GrpcCode.unimplemented],
    ['half a prefix', [Buffer.from([0, 0, 0])], GrpcCode.internal],
    ['half a message', [framed('echo').subarray(0, 9)], GrpcCode.internal],
    ['flags that nobody knows', [Buffer.from([7, 0, 0, 0, 0])], GrpcCode.internal],
    ['the compressed flag without an encoding', [frameOf(message('echo'), true)], GrpcCode.internal],
    ['what is no protocol buffer', [frameOf(Buffer.from([0x0a, 0xff]))], GrpcCode.internal],
    ['a message over the limit', [frameOf(message('echo', 'x'.repeat(MAX)))], GrpcCode.resourceExhausted],
    ['the length of one over the limit', [Buffer.from([0, 0xff, 0xff, 0xff, 0xff])], GrpcCode.resourceExhausted],
  ];

  it.each(cases)('answers a status to %s', async (_what, chunks, code) => {
    const answer = await raw(session, {}, chunks);
    expect(statusOf(answer)).toBe(code);
    expect(answer.headers[':status']).toBe(200);
    // The connection is as good as before.
    expect(statusOf(await raw(session, {}, [framed('echo')]))).toBe(0);
  });

  it('gives up what it had begun for the first of two messages', async () => {
    await raw(session, {}, [framed('hold'), framed('hold')]);
    await eventually(() => gateway.abandoned.length === 1);
  });

  it('tells a sender whose message is too large to stop', async () => {
    const answer = await raw(session, {}, [Buffer.from([0, 0x7f, 0, 0, 0])], { keepOpen: true });
    expect(statusOf(answer)).toBe(GrpcCode.resourceExhausted);
    expect(answer.rstCode).toBe(constants.NGHTTP2_NO_ERROR);
  });
});

describe('compression', () => {
  const gzip = { 'grpc-encoding': 'gzip' };

  it('reads gzip, and answers a long answer with it to whoever reads it', async () => {
    const args = JSON.stringify('x'.repeat(5000));
    const accepting = { ...gzip, 'grpc-accept-encoding': 'identity,gzip' };
    const compressed = frameOf(gzipSync(message('echo', args)), true);
    const answer = await raw(session, accepting, [compressed]);
    expect(answer.headers).toMatchObject({ 'grpc-encoding': 'gzip', 'grpc-accept-encoding': 'identity,gzip' });
    expect(answer.body[0]).toBe(1);
    expect(answer.body.length).toBeLessThan(1000);
    const plain = await raw(session, gzip, [compressed]);
    expect(plain.headers['grpc-encoding']).toBeUndefined();
    expect(responseOf(plain).jsonResult).toBe(args);
    const short = await raw(session, accepting, [frameOf(gzipSync(message('echo')), true)]);
    expect(short.headers['grpc-encoding']).toBeUndefined();
    expect(responseOf(short).success).toBe(true);
  });

  it('takes messages that are not compressed from a caller that may', async () => {
    expect(responseOf(await raw(session, gzip, [framed('echo')])).success).toBe(true);
  });

  it('answers UNIMPLEMENTED to another encoding, and says which it takes', async () => {
    const answer = await raw(session, { 'grpc-encoding': 'snappy' }, [framed('echo')]);
    expect(statusOf(answer)).toBe(GrpcCode.unimplemented);
    expect(answer.headers['grpc-accept-encoding']).toBe('identity,gzip');
  });

  it('answers INTERNAL to what is not gzip, and does not unpack what becomes too large', async () => {
    expect(statusOf(await raw(session, gzip, [frameOf(message('echo'), true)]))).toBe(GrpcCode.internal);
    const bomb = frameOf(gzipSync(message('echo', 'x'.repeat(MAX * 20))), true);
    expect(bomb.length).toBeLessThan(MAX);
    expect(statusOf(await raw(session, gzip, [bomb]))).toBe(GrpcCode.resourceExhausted);
  });
});

describe('time and patience', () => {
  it('refuses a time-out that is none', async () => {
    const answer = await raw(session, { 'grpc-timeout': '5 seconds' }, [framed('echo')]);
    expect(statusOf(answer)).toBe(GrpcCode.invalidArgument);
  });

  it('gives up an invocation whose caller resets the stream', async () => {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/iluvatar_rpc.IluvatarWorker/invoke',
      'content-type': 'application/grpc',
    });
    stream.on('error', () => {});
    stream.end(framed('hold'));
    await eventually(() => gateway.held.size === 1);
    stream.close(constants.NGHTTP2_CANCEL);
    await eventually(() => gateway.abandoned.length === 1);
    // Its end comes all the same, and nobody is told.
    for (const held of gateway.held.values()) held.settle({});
    expect(statusOf(await raw(session, {}, [framed('echo')]))).toBe(0);
  });

  it('gives up invocations whose connection is lost', async () => {
    const lost = stage.session(edge.port);
    const calls = [1, 2, 3].map(() => raw(lost, {}, [framed('hold')]));
    await eventually(() => gateway.held.size === 3);
    lost.destroy();
    await Promise.all(calls);
    await eventually(() => gateway.abandoned.length === 3);
    await eventually(() => edge.connections === 1);
  });

  it('lets go of the token of a result that nobody reads', async () => {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/iluvatar_rpc.IluvatarWorker/invoke',
      'content-type': 'application/grpc',
    });
    stream.on('error', () => {});
    stream.end(framed('hold'));
    await eventually(() => gateway.held.size === 1);
    stream.close(constants.NGHTTP2_CANCEL);
    await eventually(() => gateway.abandoned.length === 1);
    for (const held of gateway.held.values()) held.settle({ payload: gateway.token('{}') });
    expect(gateway.tokens.size).toBe(0);
  });
});

describe('connections', () => {
  it('answers pings, and sends a client away that pings and pings', async () => {
    const calm = await new Promise<number>((resolve) => {
      session.on('goaway', (code) => resolve(code));
      session.on('connect', () => {
        for (let n = 0; n < 20; n++) if (!session.destroyed) session.ping(() => {});
      });
    });
    expect(calm).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    await eventually(() => edge.connections === 0);
  });

  it('lets a client ping that calls between pings', async () => {
    for (let n = 0; n < 10; n++) {
      await new Promise((resolve) => session.ping(resolve));
      expect(statusOf(await raw(session, {}, [framed('echo')]))).toBe(0);
    }
    expect(session.destroyed).toBe(false);
  });

  it('asks a quiet client whether it lives, and cuts off one that does not answer', async () => {
    const quick = await stage.edge(gateway, { keepAliveMs: 60, keepAliveTimeoutMs: 100 });
    const living = stage.session(quick.port);
    await new Promise((resolve) => living.once('ping', resolve));
    const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');
    const dead = tcp(quick.port, '127.0.0.1');
    stage.atEnd(() => dead.destroy());
    dead.on('error', () => {}).resume();
    dead.write(preface);
    await new Promise((resolve) => dead.once('close', resolve));
    expect(living.destroyed).toBe(false);
  });

  it('cuts off who speaks another protocol, and serves the others', async () => {
    const odd = tcp(edge.port, '127.0.0.1');
    stage.atEnd(() => odd.destroy());
    odd.on('error', () => {}).resume();
    odd.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    await new Promise((resolve) => odd.once('close', resolve));
    expect(statusOf(await raw(session, {}, [framed('echo')]))).toBe(0);
  });

  it('says how many calls it takes at once, and takes them', async () => {
    const narrow = await stage.edge(gateway, { maxConcurrentStreams: 7 });
    const client = stage.session(narrow.port);
    await new Promise((resolve) => client.once('remoteSettings', resolve));
    expect(client.remoteSettings.maxConcurrentStreams).toBe(7);
    const calls = Array.from({ length: 20 }, () => raw(client, {}, [framed('hold')]));
    await eventually(() => gateway.held.size === 7);
    const settleAll = setInterval(() => {
      for (const held of gateway.held.values()) held.settle({});
    }, 5);
    stage.atEnd(() => clearInterval(settleAll));
    for (const answer of await Promise.all(calls)) expect(statusOf(answer)).toBe(0);
  });
});
