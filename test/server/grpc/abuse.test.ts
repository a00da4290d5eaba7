import { type ClientHttp2Session, constants } from 'node:http2';
import { connect as tcp } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { InvokeRequest, InvokeResponse } from '../../../src/rpc/gen/iluvatar_rpc.js';
import type { GrpcEdge } from '../../../src/server/grpc/edge.js';
import { frameOf } from '../../../src/server/grpc/message-reader.js';
import { eventually, ScriptedGateway } from '../http/scripted-gateway.js';
import { GrpcStage, INVOKE, raw, request } from './support.js';

/** Clients that mean no good: each is sent away before it costs others anything, and what it began is given up. */

let stage: GrpcStage;
let gateway: ScriptedGateway;
let edge: GrpcEdge;

beforeEach(async () => {
  stage = new GrpcStage();
  gateway = new ScriptedGateway();
  edge = await stage.edge(gateway);
});
afterEach(() => stage.end());

const framed = (name: string) => frameOf(Buffer.from(InvokeRequest.encode(request(name)).finish()));

/** Others are served as if nothing were. */
async function othersAreServed(): Promise<void> {
  const { body } = await raw(stage.session(edge.port), {}, [framed('echo')]);
  expect(InvokeResponse.decode(body.subarray(5)).success).toBe(true);
}

function sentAway(session: ClientHttp2Session): Promise<number> {
  return new Promise((resolve) => session.once('goaway', resolve));
}

it('sends a client away that calls and gives up without end', async () => {
  const session = stage.session(edge.port);
  const code = sentAway(session);
  let over = false;
  session.once('goaway', () => {
    over = true;
  });
  while (!over) {
    for (let n = 0; n < 100 && !over && !session.closed; n++) {
      const stream = session.request({ ':method': 'POST', ':path': INVOKE, 'content-type': 'application/grpc' });
      stream.on('error', () => {});
      stream.write(framed('hold'));
      stream.close(constants.NGHTTP2_CANCEL);
    }
    await new Promise(setImmediate);
  }
  expect(await code).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  await eventually(() => gateway.abandoned.length === gateway.held.size);
  await othersAreServed();
});

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

function wire(kind: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = kind;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

const NOTHING = Buffer.alloc(0);
const MANY = 20_000;
const repeated = (frame: Buffer) => Buffer.concat(Array.from({ length: MANY }, () => frame));

it.each([
  ['settings', repeated(wire(4, 0, 0, NOTHING))],
  ['acknowledgements', repeated(wire(4, 1, 0, NOTHING))],
  ['priorities', repeated(wire(2, 0, 1, Buffer.from([0, 0, 0, 0, 1])))],
  ['frames of no known kind', repeated(wire(0xbb, 0, 0, NOTHING))],
  ['empty pieces of headers', Buffer.concat([wire(1, 0, 1, NOTHING), repeated(wire(9, 0, 1, NOTHING))])],
  ['pieces of headers', Buffer.concat([wire(1, 0, 1, NOTHING), repeated(wire(9, 0, 1, Buffer.alloc(100)))])],
])('sends a client away that sends %s without end', async (_what, flood) => {
  const socket = tcp(edge.port, '127.0.0.1');
  stage.atEnd(() => socket.destroy());
  const parts: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => parts.push(chunk));
  socket.on('error', () => {});
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(Buffer.concat([PREFACE, wire(4, 0, 0, NOTHING), flood]));
  await closed;
  // GOAWAY: the last stream, and why.
  const said = Buffer.concat(parts);
  const last = said.lastIndexOf(Buffer.from([0, 0, 0, constants.NGHTTP2_ENHANCE_YOUR_CALM]));
  expect(last).toBeGreaterThan(0);
  await eventually(() => edge.connections === 0);
  await othersAreServed();
});

it('refuses headers without measure, and goes on', async () => {
  const session = stage.session(edge.port);
  const large = { 'x-large': 'x'.repeat(40_000), 'x-larger': 'x'.repeat(40_000) };
  const { rstCode } = await raw(session, large, [framed('echo')]);
  expect(rstCode).not.toBe(constants.NGHTTP2_NO_ERROR);
  await othersAreServed();
});

it('keeps no connection that says nothing, or stops in the middle of a word', async () => {
  const quick = await stage.edge(gateway, { keepAliveMs: 60, keepAliveTimeoutMs: 100 });
  const beginnings = [
    NOTHING,
    PREFACE.subarray(0, 10),
    Buffer.concat([PREFACE, wire(4, 0, 0, NOTHING).subarray(0, 5)]),
  ];
  const ends = beginnings.map((beginning) => {
    const socket = tcp(quick.port, '127.0.0.1');
    stage.atEnd(() => socket.destroy());
    socket.on('error', () => {}).resume();
    socket.write(beginning);
    return new Promise((resolve) => socket.once('close', resolve));
  });
  await Promise.all(ends);
  await eventually(() => quick.connections === 0);
});
