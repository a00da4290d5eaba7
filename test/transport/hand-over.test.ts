import { closeSync, fstatSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Frame } from '../../src/transport/frame.js';
import { FrameType } from '../../src/transport/frames.js';
import type { Connection, Transport } from '../../src/transport/transport.js';
import { encode, hello, RawPeer, Recorder, Stage } from './support.js';

/** Connections that go from one transport to another as descriptors. */

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => stage.end());

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A connection of the server that has been greeted, its raw peer, and a second transport. */
async function greeted(settings: Parameters<Stage['server']>[0] = {}, x2 = 65536) {
  const server = stage.server(settings);
  const peer = await RawPeer.connect(server.path);
  stage.atEnd(() => peer.socket.destroy());
  peer.socket.write(hello('client', x2));
  await peer.until((frames) => frames.length === 1);
  const { connection, recorder } = server.accepted[0] as (typeof server.accepted)[0];
  await recorder.until(() => recorder.frames.length === 1, 'HELLO');
  return { server, peer, connection, recorder, other: stage.transport(settings) };
}

describe('what is known of a connection', () => {
  it('is its descriptor, which stays its own, and the largest body its peer takes', async () => {
    const { connection, peer } = await greeted({}, 7);
    expect(fstatSync(connection.descriptor()).isSocket()).toBe(true);
    expect(connection.peerMaxBody).toBe(7 * 1024);
    connection.send(FrameType.event, 0, 0, 3, 0, 0, 0, null, null);
    await peer.until((frames) => frames.length === 2);
    connection.close();
    expect(() => connection.descriptor()).toThrow(expect.objectContaining({ code: 'ENOTCONN' }));
  });

  it('is no largest body when the peer has stated none', async () => {
    const { connection } = await greeted({}, 0);
    expect(connection.peerMaxBody).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('giving a connection up', () => {
  it('leaves the socket open, says nothing to the handler, and another transport goes on', async () => {
    const { server, connection, recorder, peer, other } = await greeted({}, 7);
    const fd = connection.detach();
    expect(fd).toBeGreaterThanOrEqual(0);
    expect(connection.open).toBe(false);
    expect(connection.detach()).toBe(-1);
    expect(server.transport.counters().connections).toBe(0);
    expect(connection.send(FrameType.event, 0, 0, 1, 0, 0, 0, null, null)).toBe(false);
    const next = new Recorder();
    const resumed = other.resume(fd, 7 * 1024, next);
    expect(resumed.peerMaxBody).toBe(7 * 1024);
    peer.socket.write(encode({ type: FrameType.invoke, requestId: 9, body: Buffer.from('after') }));
    await next.until(() => next.frames.length === 1, 'INVOKE');
    expect(next.frames[0]).toMatchObject({ type: FrameType.invoke, requestId: 9, body: Buffer.from('after') });
    resumed.send(FrameType.result, 0, 0, 9, 0, 0, 0, null, '"done"');
    expect(() => resumed.send(FrameType.event, 0, 0, 9, 0, 0, 0, null, Buffer.alloc(7 * 1024 + 1))).toThrow(
      expect.objectContaining({ code: 'ERR_FRAME_TOO_LARGE' }),
    );
    const frames = await peer.until((received) => received.length === 2);
    // One HELLO in all, then the answer.
    expect(frames.map((frame) => frame.type)).toEqual([FrameType.hello, FrameType.result]);
    for (let i = 0; i < 5; i++) await turn();
    expect(recorder.reason).toBeNull();
    resumed.close();
    await peer.closed;
    expect(peer.error).toBeNull();
  });

  it('does not end what the other transport holds when this one is destroyed', async () => {
    const { server, connection, peer, other } = await greeted();
    const next = new Recorder();
    other.resume(connection.detach(), Number.POSITIVE_INFINITY, next);
    server.transport.destroy();
    peer.socket.write(encode({ type: FrameType.invoke, requestId: 1 }));
    await next.until(() => next.frames.length === 1, 'INVOKE');
    peer.socket.end();
    expect((await next.ended()).code).toBe('end');
  });

  it('waits for HELLO', async () => {
    const server = stage.server();
    const peer = await RawPeer.connect(server.path);
    stage.atEnd(() => peer.socket.destroy());
    await peer.until((frames) => frames.length === 1);
    const { connection } = server.accepted[0] as (typeof server.accepted)[0];
    expect(connection.detach()).toBe(-1);
    expect(connection.open).toBe(true);
  });

  it('waits for the rest of a frame, also while paused, and takes nothing behind it', async () => {
    const { connection, recorder, peer, other } = await greeted();
    const whole = encode({ type: FrameType.invoke, requestId: 1, body: Buffer.alloc(300_000, 'w') });
    const behind = encode({ type: FrameType.invoke, requestId: 2, body: Buffer.from('behind') });
    peer.socket.write(whole.subarray(0, 100_000));
    for (let i = 0; i < 20; i++) await turn();
    connection.pause();
    expect(connection.detach()).toBe(-1);
    peer.socket.write(Buffer.concat([whole.subarray(100_000), behind]));
    await recorder.until(() => recorder.of(FrameType.invoke).length === 1, 'the begun frame');
    for (let i = 0; i < 5; i++) await turn();
    expect(recorder.of(FrameType.invoke).map((frame) => frame.requestId)).toEqual([1]);
    const next = new Recorder();
    other.resume(connection.detach(), Number.POSITIVE_INFINITY, next);
    await next.until(() => next.frames.length === 1, 'what was behind');
    expect(next.frames.map((frame) => frame.requestId)).toEqual([2]);
  });

  it('waits for what is unsent', async () => {
    const { connection, peer } = await greeted({ highWaterBytes: 64 << 20 });
    peer.socket.pause();
    connection.send(FrameType.event, 0, 0, 1, 0, 0, 0, null, Buffer.alloc(8 << 20, 'u'));
    for (let i = 0; i < 5; i++) await turn();
    expect(connection.detach()).toBe(-1);
    peer.socket.resume();
    let fd = -1;
    while (fd < 0) {
      await turn();
      fd = connection.detach();
    }
    closeSync(fd);
    await peer.closed;
    expect(peer.frames()[1]?.body.length).toBe(8 << 20);
  });

  it('waits for frames that were read and not handled yet', async () => {
    const detached: number[] = [];
    const server = stage.server({}, (connection, frame) => {
      if (frame.type === FrameType.invoke) detached.push(connection.detach());
    });
    const peer = await RawPeer.connect(server.path);
    stage.atEnd(() => peer.socket.destroy());
    const invokes = [1, 2, 3].map((requestId) => encode({ type: FrameType.invoke, requestId }));
    peer.socket.write(Buffer.concat([hello(), ...invokes]));
    await server.accepted[0]?.recorder.until(() => detached.length === 3, 'all frames');
    while (detached.length < 3) await turn();
    expect(detached.slice(0, 2)).toEqual([-1, -1]);
    expect(detached[2]).toBeGreaterThanOrEqual(0);
    closeSync(detached[2] as number);
    await peer.closed;
  });

  it('takes no HELLO on a connection that was resumed', async () => {
    const { connection, peer, other } = await greeted();
    const next = new Recorder();
    other.resume(connection.detach(), Number.POSITIVE_INFINITY, next);
    peer.socket.write(hello());
    expect((await next.ended()).code).toBe('ERR_FRAME_TYPE');
  });
});

/** What a test does between two looks at the connection. */
type Step = { write: number } | { turns: number } | 'hand over' | 'pause' | 'resume';

describe('a connection that goes back and forth', () => {
  it('delivers every frame once, in order, and every answer once', async () => {
    const size = fc.oneof({ weight: 6, arbitrary: fc.nat(80) }, { weight: 1, arbitrary: fc.nat(150_000) });
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ write: fc.oneof(fc.nat(60), fc.nat(3000), fc.nat(200_000)) }) },
      { weight: 3, arbitrary: fc.record({ turns: fc.nat(3) }) },
      { weight: 4, arbitrary: fc.constant<Step>('hand over') },
      { weight: 1, arbitrary: fc.constantFrom<Step>('pause', 'resume') },
    );
    const frames = fc.array(fc.record({ body: size, inside: fc.boolean() }), { minLength: 1, maxLength: 30 });
    let handed = 0;
    const property = fc.asyncProperty(frames, fc.array(step, { maxLength: 60 }), async (bodies, steps) => {
      const server = stage.server();
      const transports = [server.transport, stage.transport()] as [Transport, Transport];
      const peer = await RawPeer.connect(server.path);
      const seen: { requestId: number; bytes: number; by: number }[] = [];
      let holder = 0;
      let current = null as Connection | null;
      const handOver = (): void => {
        const fd = current?.detach() ?? -1;
        if (fd < 0) return;
        handed++;
        holder = 1 - holder;
        current = transports[holder]?.resume(fd, Number.POSITIVE_INFINITY, handler(holder)) as Connection;
      };
      const handler = (by: number): Recorder => {
        const recorder = new Recorder();
        recorder.onFrame = (connection: Connection, frame: Frame) => {
          if (frame.type !== FrameType.invoke) return;
          const { requestId } = frame;
          // Whoever does not hold the connection must not be given anything of it.
          seen.push({ requestId, bytes: frame.bodyBytes, by: connection === current ? by : -1 });
          connection.send(FrameType.result, 0, 0, requestId, by, 0, 0, null, null);
          if (bodies[requestId - 1]?.inside === true) handOver();
        };
        return recorder;
      };
      peer.socket.write(hello());
      while (server.accepted.length === 0) await turn();
      const first = server.accepted[0] as (typeof server.accepted)[0];
      await first.recorder.until(() => first.recorder.frames.length === 1, 'HELLO');
      current = first.connection;
      current.handler = handler(0);
      const stream = Buffer.concat(
        bodies.map(({ body }, i) =>
          encode({ type: FrameType.invoke, requestId: i + 1, body: Buffer.alloc(body, 'x') }),
        ),
      );
      let at = 0;
      for (const next of steps) {
        if (next === 'hand over') handOver();
        else if (next === 'pause') current.pause();
        else if (next === 'resume') current.resume();
        else if ('write' in next) {
          peer.socket.write(stream.subarray(at, at + next.write));
          at += next.write;
        } else for (let i = 0; i < next.turns; i++) await turn();
      }
      peer.socket.write(stream.subarray(at));
      current.resume();
      const answers = await peer.until((received) => received.length === bodies.length + 1);
      expect(seen.map(({ requestId, bytes }) => [requestId, bytes])).toEqual(
        bodies.map(({ body }, i) => [i + 1, body]),
      );
      expect(seen.every(({ by }) => by >= 0)).toBe(true);
      expect(answers.slice(1).map(({ requestId, x0 }) => [requestId, x0])).toEqual(
        seen.map(({ requestId, by }) => [requestId, by]),
      );
      expect(transports[0].counters().connections + transports[1].counters().connections).toBe(1);
      expect(transports.map((transport) => transport.counters().payloadsLive)).toEqual([0, 0]);
      for (const transport of transports) transport.destroy();
      await peer.closed;
      expect(peer.error).toBeNull();
    });
    await fc.assert(property, { numRuns: 150, seed: Number(process.env['ILUVATAR_FUZZ_SEED'] ?? 20261122) });
    expect(handed).toBeGreaterThan(150);
  }, 120_000);
});
