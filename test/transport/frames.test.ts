import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FrameType } from '../../src/transport/frames.js';
import { encode, hello, RawPeer, Recorder, Stage } from './support.js';

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => stage.end());

describe('frames', () => {
  it('greets on both sides and hands the HELLO over', async () => {
    const server = stage.server();
    const client = stage.transport();
    const recorder = new Recorder();
    const connection = client.connect(server.path, '{"role":"client"}', recorder);
    await recorder.until(() => recorder.frames.length === 1, 'HELLO');
    expect(recorder.frames[0]).toMatchObject({ type: FrameType.hello, x0: 1, x1: 1, x2: 65536 });
    expect(JSON.parse(recorder.frames[0]?.meta ?? '')).toEqual({ role: 'worker', name: 'test' });
    const other = server.accepted[0]?.recorder as Recorder;
    await other.until(() => other.frames.length === 1, "the client's HELLO");
    expect(other.frames[0]?.meta).toBe('{"role":"client"}');
    expect(connection.peer()).toEqual({ pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() });
  });

  it('carries every field, meta and body of every size there and back', async () => {
    const server = stage.echo();
    const client = stage.transport();
    const recorder = new Recorder();
    const connection = client.connect(server.path, '{}', recorder);
    const u32 = fc.integer({ min: 0, max: 0xffffffff });
    const size = fc.oneof(fc.constantFrom(0, 1, 8191, 8192, 16351, 16384, 65535, 65536, 65537), fc.nat(200_000));
    const text = fc.oneof(fc.constant(''), fc.string({ unit: 'grapheme', maxLength: 300 }));
    await fc.assert(
      fc.asyncProperty(u32, u32, u32, u32, size, text, async (requestId, x0, x1, x2, bodySize, meta) => {
        const body = Buffer.alloc(bodySize, `${requestId}-${bodySize};`);
        const before = recorder.frames.length;
        connection.send(FrameType.invoke, 0, 0, requestId, x0, x1, x2, meta === '' ? null : meta, body);
        await recorder.until(
          () => recorder.of(FrameType.result).length > 0 && recorder.frames.length > before,
          'RESULT',
        );
        const result = recorder.frames.pop();
        expect(result).toMatchObject({ type: FrameType.result, status: 0, flags: 3, requestId, x0, x1, x2, meta });
        expect(result?.body.equals(body)).toBe(true);
      }),
      { numRuns: 150 },
    );
    expect(server.transport.counters().payloadsLive).toBe(0);
  });

  it('takes bodies given as text, well-formed even where the text is not', async () => {
    const server = stage.echo();
    const recorder = new Recorder();
    const connection = stage.transport().connect(server.path, '{}', recorder);
    for (const text of ['', 'a', 'äöü€😀', 'x'.repeat(70_000), '\ud800 alone']) {
      connection.send(FrameType.invoke, 0, 0, 1, 0, 0, 0, text, text);
      await recorder.until(() => recorder.of(FrameType.result).length === 1, 'RESULT');
      const result = recorder.frames.pop();
      expect(result?.body.equals(Buffer.from(text))).toBe(true);
      expect(result?.meta).toBe(Buffer.from(text).toString());
    }
  });

  it('moves a body of the 64 MiB maximum both ways', async () => {
    const server = stage.echo();
    const recorder = new Recorder();
    const connection = stage.transport().connect(server.path, '{}', recorder);
    const body = Buffer.alloc(64 << 20, 'The longest body that is allowed. ');
    connection.send(FrameType.invoke, 0, 0, 7, 0, 0, 0, null, body);
    await recorder.until(() => recorder.of(FrameType.result).length === 1, 'RESULT');
    expect(recorder.of(FrameType.result)[0]?.body.equals(body)).toBe(true);
  });

  it('answers many pipelined requests, also out of order', async () => {
    const pending: number[] = [];
    const server = stage.server({}, (connection, frame) => {
      if (frame.type !== FrameType.invoke) return;
      pending.push(frame.requestId);
      if (pending.length < 5000) return;
      for (const id of pending.reverse()) connection.send(FrameType.result, 0, 0, id, 0, 0, 0, null, `${id}`);
    });
    const recorder = new Recorder();
    const client = stage.transport();
    const connection = client.connect(server.path, '{}', recorder);
    for (let i = 0; i < 5000; i++) connection.send(FrameType.invoke, 0, 0, i, 0, 0, 0, null, 'x');
    await recorder.until(() => recorder.of(FrameType.result).length === 5000, '5000 RESULTs');
    expect(recorder.of(FrameType.result).map((frame) => frame.requestId)).toEqual(
      Array.from({ length: 5000 }, (_, i) => 4999 - i),
    );
    expect(recorder.of(FrameType.result).every((frame) => frame.body.toString() === `${frame.requestId}`)).toBe(true);
    // Batched: far fewer system calls than frames.
    expect(client.counters().writes).toBeLessThan(500);
    expect(server.transport.counters().writes).toBeLessThan(500);
  });

  it('forwards the body of one connection to another and frees it', async () => {
    const server = stage.echo();
    const middle = stage.transport();
    const recorder = new Recorder();
    const path = stage.path();
    const back = new Recorder();
    const upstream = middle.connect(server.path, '{}', back);
    middle.listen(path, 0o600, (client) => ({
      frame(_connection, frame) {
        if (frame.type !== FrameType.invoke) return;
        back.onFrame = (_from, answer) => {
          if (answer.type === FrameType.result) client.forward(6, 0, 0, answer.requestId, 0, 0, 0, null, answer.keep());
        };
        upstream.forward(FrameType.invoke, 0, 0, frame.requestId, 0, 0, 0, frame.meta(), frame.keep());
      },
      closed() {},
    }));
    const connection = stage.transport().connect(path, '{}', recorder);
    for (const size of [0, 100, 20_000, 5 << 20]) {
      const body = Buffer.alloc(size, 'forwarded ');
      connection.send(FrameType.invoke, 0, 0, size, 0, 0, 0, '{"function":"f"}', body);
      await recorder.until(() => recorder.of(FrameType.result).length === 1, `RESULT of ${size}`);
      expect(recorder.frames.pop()?.body.equals(body)).toBe(true);
    }
    expect(middle.counters().payloadsLive).toBe(0);
  });

  it('reads any split and any merge of the same stream alike', async () => {
    const frames = [
      hello(),
      encode({ type: FrameType.invoke, requestId: 1, meta: '{"function":"a"}', body: Buffer.from('"x"') }),
      encode({ type: FrameType.cancel, requestId: 1 }),
      encode({ type: FrameType.call, requestId: 2, meta: '{"method":"list"}' }),
      encode({ type: FrameType.invoke, requestId: 3, body: Buffer.from('[1,2,3]') }),
    ];
    const stream = Buffer.concat(frames);
    const server = stage.server();
    const expected = JSON.stringify([
      [1, '{"role":"client"}', ''],
      [5, '{"function":"a"}', '"x"'],
      [7, '', ''],
      [8, '{"method":"list"}', ''],
      [5, '', '[1,2,3]'],
    ]);
    const check = async (index: number) => {
      const recorder = server.accepted[index]?.recorder as Recorder;
      await recorder.until(() => recorder.frames.length === frames.length, 'all frames');
      expect(JSON.stringify(recorder.frames.map((f) => [f.type, f.meta, f.body.toString()]))).toBe(expected);
    };
    for (let cut = 0; cut <= stream.length; cut++) {
      const peer = await RawPeer.connect(server.path);
      stage.atEnd(() => peer.socket.destroy());
      peer.socket.write(stream.subarray(0, cut));
      // The HELLO of the server says that it has run since.
      await peer.until((received) => received.length >= 1);
      peer.socket.write(stream.subarray(cut));
      await check(cut);
      peer.socket.destroy();
    }
    const slow = await RawPeer.connect(server.path);
    stage.atEnd(() => slow.socket.destroy());
    for (const byte of stream) {
      slow.socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await check(stream.length + 1);
  });

  it('answers PING by itself and does not bother the handler with it', async () => {
    const server = stage.server();
    const peer = await RawPeer.connect(server.path);
    stage.atEnd(() => peer.socket.destroy());
    peer.socket.write(Buffer.concat([hello(), encode({ type: FrameType.ping, requestId: 99 })]));
    const frames = await peer.until((received) => received.some((frame) => frame.type === FrameType.pong));
    expect(frames.find((frame) => frame.type === FrameType.pong)?.requestId).toBe(99);
    expect(server.accepted[0]?.recorder.of(FrameType.ping)).toEqual([]);
  });

  it('turns an answer that the receiver would refuse into too_large, and refuses to send such a request', async () => {
    const server = stage.server({}, (connection, frame) => {
      if (frame.type === FrameType.invoke)
        connection.send(FrameType.result, 0, 0, frame.requestId, 0, 0, 0, null, Buffer.alloc(5000));
    });
    const small = stage.transport({ maxBodyBytes: 4096 });
    const recorder = new Recorder();
    const connection = small.connect(server.path, '{}', recorder);
    connection.send(FrameType.invoke, 0, 0, 3, 0, 0, 0, null, '1');
    await recorder.until(() => recorder.of(FrameType.result).length === 1, 'RESULT');
    expect(recorder.of(FrameType.result)[0]).toMatchObject({ status: 11, requestId: 3 });
    expect(recorder.of(FrameType.result)[0]?.meta).toContain('5000 bytes');
    const accepted = server.accepted[0];
    expect(() => accepted?.connection.send(FrameType.call, 0, 0, 1, 0, 0, 0, null, Buffer.alloc(4097))).toThrow(
      expect.objectContaining({ code: 'ERR_FRAME_TOO_LARGE' }),
    );
    expect(() => connection.send(FrameType.call, 0, 0, 1, 0, 0, 0, 'm'.repeat((1 << 20) + 1), null)).toThrow(
      expect.objectContaining({ code: 'ERR_FRAME_TOO_LARGE' }),
    );
    expect(connection.open).toBe(true);
  });
});
