import { openSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HandedOver } from '../../src/server/hand-over.js';
import { answersIn, HttpChain, LONG_MS, post, soon } from './hand-over-http-support.js';
import { giveTo, HandOverStage } from './hand-over-support.js';
import { eventually, RawClient } from './http/scripted-gateway.js';

/** When an HTTP connection is free to be handed over, when not, and what it is in other hands. */

let stage: HandOverStage;
let fd: number;
let port: number;
beforeEach(async () => {
  stage = new HandOverStage();
  ({ fd, port } = await stage.listener({ port: 0, host: '127.0.0.1' }));
});
afterEach(() => stage.end());

function raw(): RawClient {
  const client = new RawClient(port);
  stage.atEnd(() => client.socket.destroy());
  return client;
}

describe('what holds an HTTP connection', () => {
  it('is not silence: fresh and idle connections go at once', async () => {
    const chain = await new HttpChain(stage, fd).begin();
    const fresh = raw();
    const idle = raw();
    idle.write(post({ n: 1 }));
    await idle.until((text) => answersIn(text).length === 1);
    await eventually(() => chain.edge.connections === 2);
    await chain.next(2);
    expect(
      chain.given
        .map(({ state }) => state)
        .sort((a, b) => Number('used' in a && a.used) - Number('used' in b && b.used)),
    ).toEqual([{ used: false }, { used: true }]);
    fresh.write(post({ n: 2 }));
    idle.write(post({ n: 3 }));
    const { name } = chain.edge.gateway;
    await fresh.until((text) => answersIn(text).length === 1);
    await idle.until((text) => answersIn(text).length === 2);
    expect([answersIn(fresh.received)[0]?.by, answersIn(idle.received)[1]?.by]).toEqual([name, name]);
  });

  it.each([
    ['one byte', 1],
    ['half its headers', 40],
    ['its headers', post({ n: 2 }).indexOf('\r\n\r\n') + 4],
    ['all but one byte', post({ n: 2 }).length - 1],
  ])('is a request of which %s came with the one before', async (_what, bytes) => {
    const chain = await new HttpChain(stage, fd).begin();
    const client = raw();
    const second = post({ n: 2 });
    client.write(post({ n: 1 }) + second.slice(0, bytes));
    await client.until((text) => answersIn(text).length === 1);
    const given: HandedOver[] = [];
    const from = chain.edge;
    const handing = from.handOver((handed) => given.push(handed), LONG_MS);
    await soon();
    expect(given).toEqual([]);
    // The third is behind it, and not for this edge any more.
    client.write(second.slice(bytes));
    await client.until((text) => answersIn(text).length === 2);
    expect(await handing).toMatchObject({ given: 1, kept: 0 });
    client.write(post({ n: 3 }));
    const next = await stage.httpEdge(fd);
    giveTo(next)(given[0] as HandedOver);
    await client.until((text) => answersIn(text).length === 3);
    expect(answersIn(client.received).map(({ by }) => by)).toEqual([
      from.gateway.name,
      from.gateway.name,
      next.gateway.name,
    ]);
  });

  it.each([
    [
      'a chunk',
      'POST /functions/who/1/invoke HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n4\r\n{"n"',
      '\r\n3\r\n:2}\r\n0\r\n\r\n',
    ],
    [
      'a body of 300 kB',
      post({ n: 2, z: 'z'.repeat(300_000) }).slice(0, 90_000),
      post({ n: 2, z: 'z'.repeat(300_000) }).slice(90_000),
    ],
  ])('is %s that has not come to its end, and nothing that was sent behind it', async (_what, begun, rest) => {
    const chain = await new HttpChain(stage, fd).begin();
    const from = chain.edge;
    const client = raw();
    client.write(post({ n: 1 }) + begun);
    await client.until((text) => answersIn(text).length === 1);
    const given: HandedOver[] = [];
    const handing = from.handOver((handed) => given.push(handed), LONG_MS);
    await soon();
    expect(given).toEqual([]);
    client.write(rest);
    await eventually(() => from.gateway.arrived.length === 2);
    client.write(post({ n: 3 }));
    expect(await handing).toMatchObject({ given: 1, kept: 0 });
    const next = await stage.httpEdge(fd);
    giveTo(next)(given[0] as HandedOver);
    await client.until((text) => answersIn(text).length === 3);
    expect(answersIn(client.received).map(({ n, by }) => [n, by])).toEqual([
      [1, from.gateway.name],
      [2, from.gateway.name],
      [3, next.gateway.name],
    ]);
  });

  it('is nothing when the rest of its request cannot be read, which is said', async () => {
    const chain = await new HttpChain(stage, fd).begin();
    const client = raw();
    client.write(`${post({ n: 1 })}POST /fun`);
    await client.until((text) => answersIn(text).length === 1);
    const gone = raw();
    gone.write(`${post({ n: 1 })}POST /fun`);
    await gone.until((text) => answersIn(text).length === 1);
    const handing = chain.edge.handOver(giveTo(chain.edge), LONG_MS);
    client.write(' HTTP\r\n\r\n');
    gone.socket.end();
    expect(await handing).toMatchObject({ given: 0, kept: 0 });
    await client.closed;
    expect(client.received).toContain('HTTP/1.1 400 Bad Request');
    await gone.closed;
  });

  it('is no answer without a body, and none in chunks', async () => {
    const chain = await new HttpChain(stage, fd).begin();
    const client = raw();
    client.write('HEAD /livez HTTP/1.1\r\nhost: x\r\n\r\n');
    await client.until((text) => text.endsWith('\r\n\r\n'));
    await chain.next(1);
    client.received = '';
    client.write('GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n');
    await client.until((text) => text.includes('"openapi"') && text.endsWith('}'));
    await chain.next(1);
    client.received = '';
    client.write(post({ n: 1 }));
    await client.until((text) => answersIn(text).length === 1);
    expect(chain.given.length).toBe(2);
  });

  it('is an answer that the kernel has not taken', async () => {
    const chain = await new HttpChain(stage, fd).begin();
    const client = raw();
    client.write(post({}, 'hold'));
    await eventually(() => chain.edge.gateway.held.size === 1);
    const given: HandedOver[] = [];
    const handing = chain.edge.handOver((handed) => given.push(handed), LONG_MS);
    client.socket.pause();
    const text = JSON.stringify({ n: 1, by: 'h', pad: 'p'.repeat(24 << 20) });
    for (const held of [...chain.edge.gateway.held.values()]) held.settle({ payload: Buffer.from(text) });
    client.write(post({ n: 2 }));
    await soon(100);
    expect(given).toEqual([]);
    client.socket.resume();
    expect(await handing).toMatchObject({ given: 1, kept: 0 });
    const next = await stage.httpEdge(fd);
    giveTo(next)(given[0] as HandedOver);
    await client.until((received) => received.length > text.length && answersIn(received).length === 2);
    expect(answersIn(client.received)[1]?.by).toBe(next.gateway.name);
  });

  it('is a body that its sender was told to go on with', async () => {
    const chain = await new HttpChain(stage, fd).begin();
    const client = raw();
    const request = post({ n: 1 }, 'who', 'expect: 100-continue\r\n');
    const head = request.indexOf('\r\n\r\n') + 4;
    client.write(request.slice(0, head));
    await client.until((text) => text.includes('100 Continue\r\n\r\n'));
    const given: HandedOver[] = [];
    const handing = chain.edge.handOver((handed) => given.push(handed), LONG_MS);
    await soon();
    expect(given).toEqual([]);
    client.write(request.slice(head));
    expect(await handing).toMatchObject({ given: 1, kept: 0 });
    await client.until((text) => text.includes(`"by":"${chain.edge.gateway.name}"`));
    giveTo(await stage.httpEdge(fd))(given[0] as HandedOver);
  });

  it('is nothing when the client wants it closed, or has left', async () => {
    const chain = await new HttpChain(stage, fd).begin();
    const closing = raw();
    closing.write(post({}, 'hold', 'connection: close\r\n'));
    const leaving = raw();
    leaving.write(post({}, 'hold'));
    await eventually(() => chain.edge.gateway.held.size === 2);
    const handing = chain.edge.handOver(giveTo(chain.edge), LONG_MS);
    leaving.socket.resetAndDestroy();
    for (const held of [...chain.edge.gateway.held.values()]) if (held.id === 1) held.settle({});
    await closing.closed;
    for (const held of [...chain.edge.gateway.held.values()]) held.settle({});
    const { given, kept } = await handing;
    expect([given, kept]).toEqual([0, 0]);
    expect(closing.received.toLowerCase()).toContain('connection: close');
  });

  it('is kept after the limit, and served on where it is', async () => {
    const chain = await new HttpChain(stage, fd).begin();
    const { edge } = chain;
    let answer: (result: unknown) => void = () => {};
    edge.gateway.answer = () => new Promise((resolve) => (answer = resolve));
    const polling = raw();
    polling.write('GET /invocations/x?waitMs=600000 HTTP/1.1\r\nhost: x\r\n\r\n');
    const ahead = raw();
    ahead.write(post({}, 'hold'));
    const idle = raw();
    await eventually(() => edge.gateway.calls.length === 1 && edge.gateway.held.size === 1 && edge.connections === 3);
    const next = await stage.httpEdge(fd);
    const handing = edge.handOver(giveTo(next), 60);
    await soon(10);
    ahead.write(post({ n: 7 }));
    expect(await handing).toMatchObject({ given: 1, kept: 2 });
    expect(edge.connections).toBe(2);
    answer({ state: 'succeeded' });
    await polling.until((text) => text.includes('succeeded'));
    for (const held of [...edge.gateway.held.values()]) {
      if (held.name === 'hold@1') held.settle({ payload: Buffer.from('{"n":6}') });
    }
    await ahead.until((text) => answersIn(text).length === 2);
    expect(answersIn(ahead.received)[1]).toMatchObject({ n: 7, by: edge.gateway.name });
    idle.write(post({ n: 8 }));
    await idle.until((text) => answersIn(text).length === 1);
    expect(answersIn(idle.received)[0]?.by).toBe(next.gateway.name);
    await edge.close(60_000);
    await Promise.all([polling.closed, ahead.closed]);
  });
});

describe('taking HTTP connections over', () => {
  it('does not count the time for a first request again', async () => {
    const edge = await stage.httpEdge(fd);
    const idle = raw();
    idle.write(post({ n: 1 }));
    await idle.until((text) => answersIn(text).length === 1);
    const fresh = raw();
    await eventually(() => edge.connections === 2);
    const given: HandedOver[] = [];
    await edge.handOver((handed) => given.push(handed), LONG_MS);
    const next = await stage.httpEdge(fd, { headersTimeoutMs: 50 });
    for (const handed of given) giveTo(next)(handed);
    // Who has never asked has no more time than who comes now.
    await fresh.closed;
    expect(fresh.received).toContain('408');
    await soon(150);
    expect(idle.socket.destroyed).toBe(false);
    idle.write(post({ n: 2 }));
    await idle.until((text) => answersIn(text).length === 2);
    // A request that has begun is under the limit again.
    idle.write('POST /fun');
    await idle.closed;
    expect(idle.received).toContain('408');
  });

  it('closes idle ones at once when the edge is closed, and waits for busy ones', async () => {
    const edge = await stage.httpEdge(fd);
    const idle = raw();
    const busy = raw();
    for (const client of [idle, busy]) client.write(post({ n: 1 }));
    for (const client of [idle, busy]) await client.until((text) => answersIn(text).length === 1);
    const next = await stage.httpEdge(fd);
    await edge.handOver(giveTo(next), LONG_MS);
    await eventually(() => next.connections === 2);
    busy.write(post({}, 'hold'));
    await eventually(() => next.gateway.held.size === 1);
    const closed = next.close(60_000);
    await idle.closed;
    expect(busy.socket.destroyed).toBe(false);
    for (const held of [...next.gateway.held.values()]) held.settle({ payload: Buffer.from('{"n":2}') });
    await busy.closed;
    expect(answersIn(busy.received).length).toBe(2);
    await closed;
  });

  it('closes what is no socket, and says so', async () => {
    const edge = await stage.httpEdge(fd);
    const file = openSync('/dev/null', 'r');
    expect(() => edge.takeOver(file, { used: true })).toThrow();
    expect(edge.connections).toBe(0);
  });
});
