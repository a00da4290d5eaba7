import { spawn } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FrameType } from '../../src/transport/frames.js';
import { encode, header, hello, RawPeer, type Recorder, Stage, seeded } from './support.js';

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => stage.end());

/** Sends bytes, ends the stream if told to, and gives back how the server saw the connection end and what it told the peer. */
async function provoke(server: ReturnType<Stage['server']>, bytes: Buffer, end: boolean) {
  const index = server.accepted.length;
  const peer = await RawPeer.connect(server.path);
  stage.atEnd(() => peer.socket.destroy());
  await peer.until((frames) => frames.length >= 1);
  peer.socket.write(bytes);
  if (end) peer.socket.end();
  const recorder = server.accepted[index]?.recorder as Recorder;
  const reason = await recorder.ended();
  await peer.closed;
  return { reason, peer, recorder };
}

const NAMED: [string, string, Buffer][] = [
  ['garbage', 'ERR_FRAME_MAGIC', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
  ['one garbage byte', 'ERR_FRAME_MAGIC', Buffer.from([0])],
  ['garbage after a frame', 'ERR_FRAME_MAGIC', Buffer.concat([hello(), Buffer.from('garbage')])],
  ['type 0', 'ERR_FRAME_TYPE', Buffer.concat([hello(), encode({ type: 0 })])],
  ['type 11', 'ERR_FRAME_TYPE', Buffer.concat([hello(), encode({ type: 11 })])],
  ['type 255', 'ERR_FRAME_TYPE', Buffer.concat([hello(), encode({ type: 255 })])],
  ['a second HELLO', 'ERR_FRAME_TYPE', Buffer.concat([hello(), hello()])],
  ['no HELLO', 'ERR_NO_HELLO', encode({ type: FrameType.invoke, requestId: 1 })],
  ['PING before HELLO', 'ERR_NO_HELLO', encode({ type: FrameType.ping, requestId: 1 })],
  ['version 0', 'ERR_PROTOCOL_VERSION', encode({ type: FrameType.hello, x0: 0, x1: 0 })],
  ['version 2 that does not speak 1', 'ERR_PROTOCOL_VERSION', encode({ type: FrameType.hello, x0: 2, x1: 2 })],
  ['a meta over 1 MiB', 'ERR_FRAME_TOO_LARGE', Buffer.concat([hello(), header({ type: 5 }, (1 << 20) + 1, 0n)])],
  ['a meta of 4 GiB', 'ERR_FRAME_TOO_LARGE', Buffer.concat([hello(), header({ type: 5 }, 0xffffffff, 0n)])],
  ['a body over 64 MiB', 'ERR_FRAME_TOO_LARGE', Buffer.concat([hello(), header({ type: 5 }, 0, (64n << 20n) + 1n)])],
  ['a body of 2^64-1', 'ERR_FRAME_TOO_LARGE', Buffer.concat([hello(), header({ type: 5 }, 0, 0xffffffffffffffffn)])],
];

describe('broken streams', () => {
  it.each(NAMED)('%s ends the connection with %s, said to both sides', async (_what, code, bytes) => {
    const server = stage.server();
    const { reason, peer } = await provoke(server, bytes, false);
    expect(reason.code).toBe(code);
    expect(reason.message.length).toBeGreaterThan(10);
    const error = peer.frames().find((frame) => frame.type === FrameType.error);
    expect(JSON.parse(error?.meta ?? '')).toMatchObject({ code });
    expect(server.transport.counters()).toMatchObject({ connections: 0, payloadsLive: 0 });
  });

  it('accepts a newer peer that still speaks version 1', async () => {
    const server = stage.server();
    const peer = await RawPeer.connect(server.path);
    stage.atEnd(() => peer.socket.destroy());
    peer.socket.write(Buffer.concat([encode({ type: 1, x0: 9, x1: 1 }), encode({ type: FrameType.ping })]));
    await peer.until((frames) => frames.some((frame) => frame.type === FrameType.pong));
    expect(server.accepted[0]?.recorder.reason).toBeNull();
  });

  it('tells the reason that the peer gave in its ERROR frame', async () => {
    const server = stage.server();
    const error = encode({ type: FrameType.error, meta: '{"code":"ERR_PROTOCOL_VERSION","message":"too old"}' });
    const { reason } = await provoke(server, Buffer.concat([hello(), error]), true);
    expect(reason).toEqual({ code: 'ERR_PROTOCOL_VERSION', message: 'the peer said: too old' });
  });

  it('names an end of stream at every byte', async () => {
    const server = stage.server();
    const body = Buffer.from('{"answer":42}');
    const stream = Buffer.concat([hello(), encode({ type: 5, requestId: 1, meta: '{"function":"f"}', body })]);
    const whole = new Set([0, hello().length, stream.length]);
    for (let cut = 0; cut <= stream.length; cut++) {
      const { reason, recorder } = await provoke(server, stream.subarray(0, cut), true);
      expect([cut, reason.code]).toEqual([cut, whole.has(cut) ? 'end' : 'ERR_FRAME_TRUNCATED']);
      expect(recorder.frames.length).toBe(cut === stream.length ? 2 : cut >= hello().length ? 1 : 0);
    }
    expect(server.transport.counters()).toMatchObject({ connections: 0, payloadsLive: 0 });
  });

  it('survives garbage of every kind, always with a named end', async () => {
    const seed = Number(process.env['ILUVATAR_FUZZ_SEED'] ?? 20261122);
    const random = seeded(seed);
    const server = stage.echo({ maxBodyBytes: 1 << 16 });
    const good = [
      hello(),
      encode({ type: 5, requestId: 1, meta: '{"a":1}', body: Buffer.from('12345') }),
      encode({ type: 3, requestId: 2 }),
      encode({ type: 6, requestId: 3, body: Buffer.alloc(900, 'z') }),
    ];
    const names = /^(end|ERR_[A-Z_]+|ECONNRESET|EPIPE)$/;
    for (let round = 0; round < 300; round++) {
      const parts = [good[0] as Buffer];
      for (let i = 0; i < random() * 6; i++) parts.push(good[Math.floor(random() * good.length)] as Buffer);
      const bytes = Buffer.concat(parts);
      for (let i = 0; i < 1 + random() * 4; i++) {
        const at = Math.floor(random() * bytes.length * (random() < 0.5 ? 1 : 0.1));
        bytes[at] = Math.floor(random() * 256);
      }
      const { reason } = await provoke(server, bytes.subarray(0, Math.ceil(random() * bytes.length)), true);
      expect(reason.code, `seed ${seed}, round ${round}`).toMatch(names);
    }
    expect(server.transport.counters()).toMatchObject({ connections: 0, payloadsLive: 0 });
  });

  it('notices a peer killed in the middle of a frame', async () => {
    const server = stage.server();
    const half = Buffer.concat([hello(), header({ type: 5, requestId: 1 }, 0, 1_000_000n), Buffer.alloc(500_000)]);
    const program = `const socket = require('net').connect(${JSON.stringify(server.path)});
      process.stdin.pipe(socket, { end: false }); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['-e', program], { stdio: ['pipe', 'ignore', 'inherit'] });
    stage.atEnd(() => child.kill('SIGKILL'));
    child.stdin.on('error', () => {}); // killed before it took everything
    child.stdin.end(half);
    while (server.transport.counters().framesIn < 1) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill('SIGKILL');
    const recorder = server.accepted[0]?.recorder as Recorder;
    expect((await recorder.ended()).code).toBe('ERR_FRAME_TRUNCATED');
  });
});
