import { Agent, request } from 'node:http';
import { Pool } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Answer, answersIn, HttpChain, post, soon } from './hand-over-http-support.js';
import { HandOverStage } from './hand-over-support.js';
import { eventually, RawClient } from './http/scripted-gateway.js';

/** The HTTP edge hands its clients' connections to another one under load, and no client notices. */

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

/** One request of Node's own client. */
function ask(
  agent: Agent,
  method: string,
  path: string,
  body: string | null,
  chunked = false,
): Promise<{ status: number; text: string; reused: boolean }> {
  return new Promise((resolve, reject) => {
    const asked = request({ agent, host: '127.0.0.1', port, method, path }, (response) => {
      let text = '';
      response.setEncoding('latin1');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode as number, text, reused: asked.reusedSocket }));
      response.on('error', reject);
    });
    asked.on('error', reject);
    if (body !== null && chunked) for (let at = 0; at < body.length; at += 1000) asked.write(body.slice(at, at + 1000));
    else if (body !== null) asked.setHeader('content-length', body.length);
    asked.end(chunked ? undefined : body);
  });
}

describe('HTTP clients under load', () => {
  it('of Node, in a closed loop, are answered exactly once each on the connections they have', async () => {
    const chain = await new HttpChain(stage, fd).begin();
    let dialled = 0;
    const agent = new Agent({ keepAlive: true, maxSockets: 12 });
    const dial = agent.createConnection.bind(agent);
    agent.createConnection = ((...args: Parameters<typeof dial>) => {
      dialled++;
      return dial(...args);
    }) as typeof dial;
    stage.atEnd(() => agent.destroy());
    let running = true;
    let sent = 0;
    let others = 0;
    const by = new Map<number, string>();
    const loop = async (): Promise<void> => {
      while (running) {
        const kind = ++others % 23;
        if (kind === 0) expect(await ask(agent, 'GET', '/livez', null)).toMatchObject({ status: 200 });
        else if (kind === 1) expect(await ask(agent, 'GET', '/nothing', null)).toMatchObject({ status: 404 });
        else {
          const n = ++sent;
          const pad = n % 17 === 0 ? 400_000 : n % 9;
          const args = { n, pad, more: 'm'.repeat(n % 13 === 0 ? 200_000 : 3) };
          const { status, text } = await ask(
            agent,
            'POST',
            '/functions/who/1/invoke',
            JSON.stringify(args),
            n % 5 === 0,
          );
          expect(status).toBe(200);
          const answer = JSON.parse(text) as Answer;
          expect([answer.n, answer.pad.length, by.has(n)]).toEqual([n, pad, false]);
          by.set(n, answer.by);
        }
      }
    };
    const loops = Array.from({ length: 12 }, loop);
    for (let round = 0; round < 6; round++) {
      const before = by.size;
      await eventually(() => by.size >= before + 200);
      await chain.next(12);
    }
    await eventually(() => chain.edge.gateway.arrived.length > 50);
    running = false;
    await Promise.all(loops);
    expect(dialled).toBe(12);
    expect(chain.edge.connections).toBe(12);
    expect(chain.arrived()).toBe(sent);
    for (const { gateway } of chain.edges) {
      expect(gateway.arrived.length).toBeGreaterThan(0);
      expect([...by.values()].filter((name) => name === gateway.name).length).toBe(gateway.arrived.length);
      expect(gateway.abandoned).toEqual([]);
    }
  }, 60_000);

  it('of undici, sending ahead, are answered exactly once each on the connections they have', async () => {
    const chain = await new HttpChain(stage, fd).begin();
    const pool = new Pool(`http://127.0.0.1:${port}`, { connections: 8, pipelining: 4 });
    stage.atEnd(() => pool.destroy());
    let dialled = 0;
    let lost = 0;
    pool.on('connect', () => dialled++);
    pool.on('disconnect', () => lost++);
    let running = true;
    let sent = 0;
    const seen = new Set<number>();
    const loop = async (): Promise<void> => {
      while (running) {
        const n = ++sent;
        const body = JSON.stringify({ n, pad: n % 11 === 0 ? 100_000 : 1 });
        // A method that may be repeated, as far as the client knows, is what it sends ahead.
        const answer = await pool.request({ method: 'POST', path: '/functions/who/1/invoke', body, idempotent: true });
        expect(answer.statusCode).toBe(200);
        const { n: answered } = (await answer.body.json()) as Answer;
        expect([answered, seen.has(n)]).toEqual([n, false]);
        seen.add(n);
      }
    };
    const loops = Array.from({ length: 32 }, loop);
    for (let round = 0; round < 5; round++) {
      const before = seen.size;
      await eventually(() => seen.size >= before + 300);
      await chain.next(8);
    }
    await eventually(() => chain.edge.gateway.arrived.length > 50);
    running = false;
    await Promise.all(loops);
    expect([dialled, lost]).toEqual([8, 0]);
    expect(chain.arrived()).toBe(sent);
    expect(seen.size).toBe(sent);
  }, 60_000);

  it('that send far ahead in pieces get every answer once and in order', async () => {
    const chain = await new HttpChain(stage, fd).begin();
    const client = raw();
    const total = 2000;
    const stream = Array.from({ length: total }, (_, i) =>
      post({ n: i, pad: i % 60 === 0 ? 50_000 : 1, z: 'z'.repeat(i % 40 === 0 ? 30_000 : i % 50) }),
    ).join('');
    const writing = (async () => {
      for (let at = 0; at < stream.length; ) {
        const size = 1 + ((at * 7919) % 9001);
        client.write(stream.slice(at, at + size));
        at += size;
        await soon(at % 3);
      }
    })();
    for (let round = 0; round < 5; round++) {
      await eventually(() => chain.edge.gateway.arrived.length > 40);
      await chain.next(1);
    }
    await writing;
    await eventually(() => answersIn(client.received).length === total);
    expect(answersIn(client.received).map(({ n }) => n)).toEqual(Array.from({ length: total }, (_, i) => i));
    expect(chain.arrived()).toBe(total);
    expect(chain.edges.every(({ gateway }) => gateway.arrived.length > 0)).toBe(true);
  }, 60_000);
});
