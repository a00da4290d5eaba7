import net from 'node:net';
import { endianness } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FrameType } from '../../src/transport/frames.js';
import { Recorder, Stage } from './support.js';

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => stage.end());

const little = endianness() === 'LE';
const readU64 = (data: Buffer, at: number) => Number(little ? data.readBigUInt64LE(at) : data.readBigUInt64BE(at));
function u64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  if (little) bytes.writeBigUInt64LE(BigInt(value));
  else bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}
const reply = (text: string) => Buffer.concat([u64(Buffer.byteLength(text)), Buffer.from(text)]);

interface Request {
  command: number;
  body: string;
}

/** An old agent: one connection, requests in order. `answer` says what to write back, or nothing. */
async function agent(answer: (request: Request, socket: net.Socket) => void) {
  const path = stage.path();
  const requests: Request[] = [];
  const server = net.createServer((socket) => {
    let data = Buffer.alloc(0);
    stage.atEnd(() => socket.destroy());
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      data = Buffer.concat([data, chunk]);
      while (data.length >= 16 && data.length >= 16 + readU64(data, 8)) {
        const end = 16 + readU64(data, 8);
        const request = { command: readU64(data, 0), body: data.toString('utf8', 16, end) };
        data = data.subarray(end);
        requests.push(request);
        answer(request, socket);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  stage.atEnd(() => server.close());
  return { path, requests };
}

describe('the 16-byte-header protocol of old agents', () => {
  it('turns INVOKE into command 1 and the reply into RESULT, PING into command 0 and PONG', async () => {
    const old = await agent((request, socket) =>
      socket.write(reply(request.command === 0 ? '{"Status":0}' : `{"user_result":${request.body}}`)),
    );
    const transport = stage.transport();
    const recorder = new Recorder();
    const connection = transport.connect(old.path, '{}', recorder, true);
    connection.send(FrameType.ping, 0, 0, 8, 0, 0, 0, null, null);
    connection.send(FrameType.invoke, 0, 0, 9, 500, 1, 2, '{"function":"not sent"}', '{"n":1}');
    await recorder.until(() => recorder.frames.length === 2, 'both answers');
    expect(old.requests).toEqual([
      { command: 0, body: '' },
      { command: 1, body: '{"n":1}' },
    ]);
    expect(recorder.frames[0]).toMatchObject({ type: FrameType.pong, requestId: 8 });
    expect(recorder.frames[1]).toMatchObject({
      type: FrameType.result,
      status: 0,
      requestId: 9,
      x0: 0,
      x1: 0,
      meta: '',
    });
    expect(recorder.frames[1]?.body.toString()).toBe('{"user_result":{"n":1}}');
    expect(connection.send(FrameType.cancel, 0, 0, 9, 0, 0, 0, null, null)).toBe(false);
  });

  it('keeps one request outstanding and the others in order', async () => {
    let outstanding = 0;
    let most = 0;
    const old = await agent((request, socket) => {
      most = Math.max(most, ++outstanding);
      setImmediate(() => {
        outstanding--;
        socket.write(reply(request.body));
      });
    });
    const transport = stage.transport();
    const recorder = new Recorder();
    const connection = transport.connect(old.path, '{}', recorder, true);
    for (let i = 0; i < 100; i++) connection.send(FrameType.invoke, 0, 0, 1000 + i, 0, 0, 0, null, `{"i":${i}}`);
    await recorder.until(() => recorder.frames.length === 100, '100 results');
    expect(most).toBe(1);
    expect(recorder.frames.map((frame) => [frame.requestId, frame.body.toString()])).toEqual(
      Array.from({ length: 100 }, (_, i) => [1000 + i, `{"i":${i}}`]),
    );
  });

  it('moves large bodies, also forwarded ones, and replies split at every byte', async () => {
    const big = `"${'ö'.repeat(300_000)}"`;
    const old = await agent(async (request, socket) => {
      const bytes = reply(request.body);
      if (bytes.length > 1000) socket.write(bytes);
      else {
        for (const byte of bytes) {
          socket.write(Buffer.from([byte]));
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
    });
    const transport = stage.transport();
    const back = new Recorder();
    const agentConnection = transport.connect(old.path, '{}', back, true);
    const server = stage.server({}, (_connection, frame) => {
      if (frame.type !== FrameType.invoke) return;
      agentConnection.send(FrameType.invoke, 0, 0, frame.requestId, 0, 0, 0, null, frame.body());
    });
    const connection = stage.transport().connect(server.path, '{}', new Recorder());
    connection.send(FrameType.invoke, 0, 0, 1, 0, 0, 0, null, big);
    connection.send(FrameType.invoke, 0, 0, 2, 0, 0, 0, null, '"small"');
    await back.until(() => back.frames.length === 2, 'both results');
    expect(back.frames[0]?.body.toString()).toBe(big);
    expect(back.frames[1]?.body.toString()).toBe('"small"');
  });

  it.each<[string, string, (socket: net.Socket) => void]>([
    ['an end inside the length', 'ERR_FRAME_TRUNCATED', (socket) => socket.end(Buffer.from([1, 0, 0]))],
    [
      'an end inside the reply',
      'ERR_FRAME_TRUNCATED',
      (socket) => socket.end(Buffer.concat([u64(10), Buffer.from('{')])),
    ],
    ['an absurd length', 'ERR_FRAME_TOO_LARGE', (socket) => void socket.write(u64(1n << 60n))],
    ['a second reply', 'ERR_UNEXPECTED_REPLY', (socket) => void socket.write(Buffer.concat([reply('1'), reply('2')]))],
    ['a clean end', 'end', (socket) => socket.end()],
  ])('names %s', async (_what, code, answer) => {
    const old = await agent((_request, socket) => answer(socket));
    const transport = stage.transport();
    const recorder = new Recorder();
    transport.connect(old.path, '{}', recorder, true).send(FrameType.invoke, 0, 0, 1, 0, 0, 0, null, '{}');
    expect((await recorder.ended()).code).toBe(code);
    expect(transport.counters()).toMatchObject({ connections: 0, payloadsLive: 0 });
  });
});
