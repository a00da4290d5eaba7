import { fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Client, connect } from '../../src/client/client.js';
import type { HandedOver } from '../../src/server/hand-over.js';
import { FrameType } from '../../src/transport/frames.js';
import { encode, hello, RawPeer } from '../transport/support.js';
import { giveTo, HandOverStage } from './hand-over-support.js';
import { eventually } from './http/scripted-gateway.js';

/** The unix-socket edge hands its clients' connections to another one, and no client notices. */

let stage: HandOverStage;
let path: string;
let fd: number;
beforeEach(async () => {
  stage = new HandOverStage();
  path = join(stage.folder, 'w.sock');
  ({ fd } = await stage.listener({ path }));
});
afterEach(() => stage.end());

type Edge = ReturnType<HandOverStage['unixEdge']>;
interface Answer {
  n: number;
  by: string;
  pad: string;
}

const LONG_MS = 20_000;

async function raw(): Promise<RawPeer> {
  const peer = await RawPeer.connect(path);
  stage.atEnd(() => peer.socket.destroy());
  return peer;
}

const invoke = (requestId: number, args: object, name = 'who') =>
  encode({
    type: FrameType.invoke,
    requestId,
    meta: JSON.stringify({ function: name }),
    body: Buffer.from(JSON.stringify(args)),
  });

describe('clients of the unix socket under load', () => {
  it('are answered exactly once each while their connections go from edge to edge', async () => {
    let edge: Edge = stage.unixEdge(fd);
    const edges = [edge];
    const clients: Client[] = [];
    for (let i = 0; i < 12; i++) clients.push(await connect(path));
    stage.atEnd(() => Promise.all(clients.map((client) => client.close())));
    let running = true;
    let sent = 0;
    const answers = new Map<number, string>();
    const loop = async (client: Client): Promise<void> => {
      while (running) {
        const n = ++sent;
        const pad = n % 40 === 0 ? 300_000 : n % 7;
        const { result, tid } = await client.invoke<Answer>('who', { n, pad });
        expect(result.n).toBe(n);
        expect(result.pad.length).toBe(pad);
        expect(tid).toMatch(/^[0-9a-f]{20}$/);
        expect(answers.has(n)).toBe(false);
        answers.set(n, result.by);
      }
    };
    // Half of the clients have several requests in flight, so that some are always open.
    const loops = clients.flatMap((client, i) => Array.from({ length: i % 2 === 0 ? 1 : 6 }, () => loop(client)));
    const calls = (async () => {
      while (running) {
        expect(await (clients[3] as Client).call('status')).toEqual({});
        await new Promise((resolve) => setTimeout(resolve, 3));
      }
    })();
    const late: Client[] = [];
    for (let round = 0; round < 6; round++) {
      const before = answers.size;
      await eventually(() => answers.size >= before + 300);
      const open = clients.length + late.length;
      const given: HandedOver[] = [];
      const handing = edge.handOver((handed) => given.push(handed), LONG_MS);
      // Who connects meanwhile waits in the socket.
      const greeting = connect(path);
      expect(await handing).toMatchObject({ given: open, kept: 0 });
      expect(edge.connections).toBe(0);
      expect(edge.transport.counters()).toMatchObject({ connections: 0, payloadsLive: 0 });
      expect(edge.gateway.held.size).toBe(0);
      const next = stage.unixEdge(fd);
      for (const handed of given) giveTo(next)(handed);
      late.push(await greeting);
      edge.close();
      edge = next;
      edges.push(edge);
      await eventually(() => edge.connections === open + 1);
    }
    running = false;
    await Promise.all([...loops, calls]);
    stage.atEnd(() => Promise.all(late.map((client) => client.close())));
    expect(clients.concat(late).every((client) => client.open)).toBe(true);
    // Each request ran on one edge, once, and that edge's answer is the one that came.
    expect(edges.reduce((all, { gateway }) => all + gateway.arrived.length, 0)).toBe(sent);
    expect(answers.size).toBe(sent);
    for (const { gateway } of edges) {
      expect([...answers.values()].filter((by) => by === gateway.name).length).toBe(gateway.arrived.length);
      expect(gateway.arrived.length).toBeGreaterThan(0);
      // The prefix of HELLO went with the connection: no request was without a transaction id of its own.
      expect(gateway.tids.size).toBe(gateway.arrived.length);
      expect(gateway.tids.has('')).toBe(false);
      expect(gateway.abandoned).toEqual([]);
    }
  }, 60_000);

  it('lose nothing of what they sent ahead in pieces', async () => {
    let edge = stage.unixEdge(fd);
    const edges = [edge];
    const peer = await raw();
    const total = 3000;
    const stream = Buffer.concat([
      hello(),
      ...Array.from({ length: total }, (_, i) =>
        invoke(i + 1, { n: i + 1, z: 'z'.repeat(i % 50 === 0 ? 40_000 : i % 90) }),
      ),
    ]);
    const writing = (async () => {
      for (let at = 0; at < stream.length; ) {
        const size = 1 + ((at * 7919) % 20_011);
        peer.socket.write(stream.subarray(at, at + size));
        at += size;
        await new Promise((resolve) => setTimeout(resolve, at % 3));
      }
    })();
    for (let round = 0; round < 5; round++) {
      await eventually(() => edge.gateway.arrived.length > 50);
      const next = stage.unixEdge(fd);
      expect(await edge.handOver(giveTo(next), LONG_MS)).toMatchObject({ given: 1, kept: 0 });
      edge = next;
      edges.push(edge);
    }
    await writing;
    const frames = await peer.until((received) => received.length === total + 1);
    const answers = frames.slice(1).map((frame) => JSON.parse(frame.body.toString()) as Answer);
    expect(answers.map(({ n }) => n).sort((a, b) => a - b)).toEqual(Array.from({ length: total }, (_, i) => i + 1));
    // In the order in which they were sent, over all edges.
    const order = edges.flatMap(({ gateway }) => gateway.arrived.map((args) => (JSON.parse(args) as Answer).n));
    expect(order).toEqual(Array.from({ length: total }, (_, i) => i + 1));
    expect(edges.every(({ gateway }) => gateway.arrived.length > 0)).toBe(true);
  }, 60_000);
});

describe('what holds a connection', () => {
  it('is an invocation that runs: the connection follows when its answer is in the kernel', async () => {
    const first = stage.unixEdge(fd);
    const second = stage.unixEdge(fd);
    const peer = await raw();
    peer.socket.write(Buffer.concat([hello(), invoke(1, {}, 'hold')]));
    await eventually(() => first.gateway.held.size + second.gateway.held.size === 1);
    const [from, to] = first.gateway.held.size === 1 ? [first, second] : [second, first];
    const given: HandedOver[] = [];
    const handing = from.handOver(giveTo(to, given), LONG_MS);
    peer.socket.write(invoke(2, { n: 2 }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(given).toEqual([]);
    // Far more than the socket takes at once, to a client that does not read.
    peer.socket.pause();
    for (const held of [...from.gateway.held.values()]) held.settle({ payload: Buffer.alloc(4 << 20, '1') });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(given).toEqual([]);
    peer.socket.resume();
    expect(await handing).toMatchObject({ given: 1, kept: 0 });
    const frames = await peer.until((received) => received.length === 3);
    expect(frames.map((frame) => frame.requestId)).toEqual([0, 1, 2]);
    expect(JSON.parse(frames[2]?.body.toString() ?? '')).toMatchObject({ n: 2, by: to.gateway.name });
  });

  it('is kept after the limit, and served on where it is', async () => {
    const edge = stage.unixEdge(fd);
    const client = await connect(path);
    stage.atEnd(() => client.close());
    const idle = await connect(path);
    stage.atEnd(() => idle.close());
    const silent = await raw();
    await eventually(() => edge.connections === 3);
    let answer: (result: unknown) => void = () => {};
    edge.gateway.answer = () => new Promise((resolve) => (answer = resolve));
    const polled = client.call('result', { id: 'x', waitMs: 600_000 });
    await eventually(() => edge.gateway.calls.length === 1);
    const given: HandedOver[] = [];
    const next = stage.unixEdge(fd);
    const handing = edge.handOver(giveTo(next, given), 60);
    const behind = client.invoke<Answer>('who', { n: 5 });
    // The one that has not said HELLO is kept too.
    expect(await handing).toEqual({ given: 1, kept: 1, stalled: 1 });
    expect((await behind).result).toMatchObject({ n: 5, by: edge.gateway.name });
    answer({ late: true });
    expect(await polled).toEqual({ late: true });
    silent.socket.write(Buffer.concat([hello(), invoke(1, { n: 1 })]));
    await silent.until((frames) => frames.length === 2);
    expect((await idle.invoke<Answer>('who', { n: 6 })).result.by).toBe(next.gateway.name);
    expect(edge.connections).toBe(2);
  });

  it('is a greeting that has not come, and then it is given', async () => {
    const edge = stage.unixEdge(fd);
    const peer = await raw();
    await eventually(() => edge.connections === 1);
    const given: HandedOver[] = [];
    const next = stage.unixEdge(fd);
    const handing = edge.handOver(giveTo(next, given), LONG_MS);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(given).toEqual([]);
    peer.socket.write(Buffer.concat([hello('client', 9), invoke(1, { n: 1 })]));
    expect(await handing).toMatchObject({ given: 1, kept: 0 });
    expect(given[0]?.state).toEqual({ tidPrefix: '', peerMaxBody: 9 * 1024 });
    const frames = await peer.until((received) => received.length === 2);
    expect(frames.map((frame) => frame.type)).toEqual([FrameType.hello, FrameType.result]);
  });

  it('is nothing once its client has left', async () => {
    const edge = stage.unixEdge(fd);
    const peer = await raw();
    peer.socket.write(Buffer.concat([hello(), invoke(1, {}, 'hold')]));
    await eventually(() => edge.gateway.held.size === 1);
    const handing = edge.handOver(giveTo(edge), LONG_MS);
    peer.socket.destroy();
    await peer.closed;
    for (const held of [...edge.gateway.held.values()]) held.settle({});
    expect(await handing).toMatchObject({ given: 0, kept: 0 });
    expect(edge.connections).toBe(0);
  });
});

describe('taking over', () => {
  it('closes what is no connection, and says so', () => {
    const edge = stage.unixEdge(fd);
    const file = openSync('/dev/null', 'r');
    expect(() => edge.takeOver(file, { tidPrefix: '', peerMaxBody: null })).toThrow(
      expect.objectContaining({ code: 'ENOTSOCK' }),
    );
    expect(() => fstatSync(file)).toThrow(expect.objectContaining({ code: 'EBADF' }));
    expect(edge.connections).toBe(0);
  });

  it('notices that the client has left on the way', async () => {
    const edge = stage.unixEdge(fd);
    const peer = await raw();
    peer.socket.write(hello());
    await peer.until((frames) => frames.length === 1);
    const given: HandedOver[] = [];
    expect(await edge.handOver((handed) => given.push(handed), LONG_MS)).toMatchObject({ given: 1, kept: 0 });
    peer.socket.destroy();
    await peer.closed;
    const next = stage.unixEdge(fd);
    next.takeOver((given[0] as HandedOver).fd, { tidPrefix: 'abc', peerMaxBody: null });
    expect(next.connections).toBe(1);
    await eventually(() => next.connections === 0);
  });
});
