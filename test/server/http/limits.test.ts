import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HttpEdge } from '../../../src/server/http/edge.js';
import { edgeFor, eventually, RawClient, ScriptedGateway } from './scripted-gateway.js';

let gateway: ScriptedGateway;
let edge: HttpEdge & { url: string };
const clients: RawClient[] = [];

const open = (): RawClient => {
  const client = new RawClient(edge.port);
  clients.push(client);
  return client;
};

const HEAD = 'POST /functions/echo/1/invoke HTTP/1.1\r\nhost: x\r\n';

beforeEach(() => {
  gateway = new ScriptedGateway();
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.destroy();
  await edge.close(0);
});

/** The body of the only answer received. */
function problemIn(received: string): Record<string, unknown> {
  const start = received.indexOf('\r\n\r\n') + 4;
  const length = Number(/content-length: (\d+)/i.exec(received)?.[1]);
  return JSON.parse(received.slice(start, start + length)) as Record<string, unknown>;
}

describe('a body over the limit', () => {
  beforeEach(async () => {
    edge = await edgeFor(gateway, { maxBodyBytes: 4096 });
  });

  it('is taken at the limit', async () => {
    const response = await fetch(`${edge.url}/functions/echo/1/invoke`, { method: 'POST', body: '1'.repeat(4096) });
    expect([response.status, (await response.text()).length]).toEqual([200, 4096]);
  });

  it.each(['/functions/echo/1/invoke', '/functions', '/drain', '/nowhere'])(
    'is refused by its announced 100 MB before any of it is read: %s',
    async (path) => {
      const client = open();
      client.write(
        `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 104857600\r\n\r\n`,
      );
      const received = await client.until((text) => text.includes('errorClass'));
      expect(received).toMatch(/^HTTP\/1\.1 413 /);
      expect(received.toLowerCase()).toContain('connection: close');
      expect(problemIn(received)).toMatchObject({ errorClass: 'too_large', status: 413 });
      await client.closed;
    },
  );

  it.each(['/functions/echo/1/invoke', '/functions', '/estimate', '/nowhere'])(
    'is refused in the middle of a chunked upload that never ends: %s',
    async (path) => {
      const client = open();
      client.write(
        `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`,
      );
      const chunk = `${(16_384).toString(16)}\r\n${'1'.repeat(16_384)}\r\n`;
      let sent = 0;
      // Bounded: if nothing stopped it, it would end at 64 MiB and fail below.
      while (!client.socket.destroyed && sent < 4096) {
        client.write(chunk);
        sent++;
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(client.socket.destroyed).toBe(true);
      expect(client.received).toMatch(/^HTTP\/1\.1 (413|404) /);
      expect(gateway.settled).toBe(0);
    },
  );

  it('is refused before it is sent when the client asks first', async () => {
    const client = open();
    client.write(`${HEAD}expect: 100-continue\r\ncontent-length: 999999\r\n\r\n`);
    const received = await client.until((text) => text.includes('errorClass'));
    expect(received).toMatch(/^HTTP\/1\.1 413 /);
    expect(received).not.toContain('100 Continue');
  });

  it('does not stop a client that asks first and may send', async () => {
    const client = open();
    client.write(`${HEAD}expect: 100-continue\r\ncontent-length: 2\r\n\r\n`);
    await client.until((text) => text.startsWith('HTTP/1.1 100 Continue\r\n\r\n'));
    client.write('42');
    expect(await client.until((text) => text.endsWith('42'))).toContain('HTTP/1.1 200 OK');
  });
});

describe('a client that is too slow', () => {
  beforeEach(async () => {
    edge = await edgeFor(gateway, { headersTimeoutMs: 200, requestTimeoutMs: 400 });
  });

  it.each([
    ['with its headers', 'POST /functions/echo/1/invoke HTTP/1.1\r\nhost: x\r\n', 'x-a: b\r\n'],
    ['with its body', `${HEAD}content-length: 1000\r\n\r\n`, '1'],
    ['with a chunked body', `${HEAD}transfer-encoding: chunked\r\n\r\n`, '1\r\n1\r\n'],
    [
      'with the body of a registration',
      'POST /functions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n',
      ' ',
    ],
  ])('%s is answered 408 and cut off', async (_what, start, drip) => {
    const client = open();
    client.write(start);
    const dripping = setInterval(() => client.write(drip), 40);
    await client.closed.finally(() => clearInterval(dripping));
    expect(client.received).toMatch(/^HTTP\/1\.1 408 /);
    expect(gateway.settled).toBe(0);
    expect(gateway.held.size).toBe(0);
  });

  it('says nothing at all and is cut off', async () => {
    const client = open();
    await client.closed;
    expect(client.received).toMatch(/^HTTP\/1\.1 408 |^$/);
  });

  it('with reading a large answer is cut off, and its answer is not kept', async () => {
    gateway.define('large', '1', ({ settle }) => settle({ payload: Buffer.alloc(64 * 1024 * 1024, 0x31) }));
    const client = open();
    client.socket.pause();
    client.write('POST /functions/large/1/invoke HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n');
    await eventually(() => gateway.settled === 1);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    client.socket.resume();
    await eventually(() => client.socket.destroyed || client.received.length >= 64 * 1024 * 1024);
    expect(client.received.length < 64 * 1024 * 1024).toBe(true);
  });

  it('does not hurt an invocation that takes longer than any of its limits', async () => {
    gateway.define('long', '1', ({ settle }) => {
      setTimeout(() => settle({ payload: Buffer.from('"at last"') }), 1200);
    });
    const response = await fetch(`${edge.url}/functions/long/1/invoke`, { method: 'POST', body: '{}' });
    expect(await response.json()).toBe('at last');
  });
});

describe('what is not HTTP', () => {
  beforeEach(async () => {
    edge = await edgeFor(gateway);
  });

  it.each([
    ['garbage', '\x16\x03\x01\x02\x00\x01\x00garbage\r\n\r\n', 400, 'invalid'],
    ['a bad length', `${HEAD}content-length: -5\r\n\r\n`, 400, 'invalid'],
    ['two lengths', `${HEAD}content-length: 1\r\ncontent-length: 2\r\n\r\n`, 400, 'invalid'],
    ['length and chunks', `${HEAD}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n`, 400, 'invalid'],
    ['a bad chunk', `${HEAD}transfer-encoding: chunked\r\n\r\nzz\r\n`, 400, 'invalid'],
    ['endless headers', `${HEAD}x-long: ${'a'.repeat(100_000)}\r\n\r\n`, 431, 'too_large'],
  ])('%s is answered with a problem', async (_what, bytes, status, errorClass) => {
    const client = open();
    client.socket.write(Buffer.from(bytes, 'latin1'));
    await client.closed;
    expect(client.received).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(problemIn(client.received)).toMatchObject({ errorClass, status });
    expect(gateway.settled).toBe(0);
  });
});

describe('a connection that is cut', () => {
  beforeEach(async () => {
    edge = await edgeFor(gateway);
    gateway.define('hold', '1', () => {});
  });

  const request = 'POST /functions/hold/1/invoke HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\n[1, 2]';

  it.each([
    ['reset', (client: RawClient) => client.socket.resetAndDestroy()],
    ['ended', (client: RawClient) => client.socket.end()],
  ])(
    'after each byte of a request (%s): only whole requests reach the worker, and those are abandoned',
    async (_how, cut) => {
      const whole = open();
      whole.write(request);
      await eventually(() => gateway.held.size === 1);
      for (let length = 0; length < request.length; length++) {
        const client = open();
        await new Promise<void>((resolve) => client.socket.write(request.slice(0, length), () => resolve()));
        cut(client);
        await client.closed;
      }
      // In order on one loop: when this answer is here, the cuts before it have been handled.
      await fetch(`${edge.url}/livez`);
      expect(gateway.held.size).toBe(1);
      expect(gateway.abandoned).toEqual([]);
      const [held] = gateway.held.values();
      cut(whole);
      await eventually(() => gateway.abandoned.length === 1);
      expect(gateway.abandoned).toEqual([held?.id]);
      // `settled` still comes, with a token that nobody will read.
      held?.settle({ payload: gateway.token('"late"') });
      expect(gateway.tokens.size).toBe(0);
    },
  );

  it('with many pipelined requests abandons each once', async () => {
    const client = open();
    client.write(request.repeat(5));
    await eventually(() => gateway.held.size === 5);
    const ids = [...gateway.held.keys()];
    client.socket.destroy();
    await eventually(() => gateway.abandoned.length === 5);
    expect([...gateway.abandoned].sort()).toEqual(ids);
    for (const held of [...gateway.held.values()]) held.settle({});
    await fetch(`${edge.url}/livez`);
    expect(gateway.abandoned.length).toBe(5);
  });

  it.each([
    ['an asynchronous invocation', '/functions/echo/1/invoke?async'],
    ['a control-plane call', '/estimate'],
  ])('after each byte of %s hurts nobody, before and after it was accepted', async (_what, path) => {
    const body = '{"functions":[{"name":"echo"}]}';
    const text = `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const waiting: ((fail: boolean) => void)[] = [];
    gateway.answer = () =>
      new Promise((resolve, reject) => {
        waiting.push((fail) => (fail ? reject(new Error('too late')) : resolve({ id: 'x' })));
      });
    for (let length = 0; length <= text.length; length++) {
      const client = open();
      await new Promise<void>((resolve) => client.socket.write(text.slice(0, length), () => resolve()));
      if (length === text.length) await eventually(() => waiting.length === 1);
      client.socket.resetAndDestroy();
      await client.closed;
    }
    const again = open();
    again.write(text);
    await eventually(() => waiting.length === 2);
    again.socket.end();
    await again.closed;
    for (const [index, answer] of waiting.entries()) answer(index === 0);
    // An unhandled error of a closed response would end this process; the edge must still answer.
    expect((await fetch(`${edge.url}/livez`)).status).toBe(200);
    expect(gateway.calls.length).toBe(2);
  });

  it('after its answer abandons nothing', async () => {
    const client = open();
    client.write(`${HEAD}content-length: 1\r\n\r\n7`);
    await client.until((text) => text.endsWith('7'));
    client.socket.destroy();
    await client.closed;
    await fetch(`${edge.url}/livez`);
    expect(gateway.abandoned).toEqual([]);
  });
});
