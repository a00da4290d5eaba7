import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ERROR_CLASSES, type ErrorClass } from '../../../src/core/errors.js';
import type { HttpEdge } from '../../../src/server/http/edge.js';
import { STATUS_OF_CLASS } from '../../../src/server/http/problems.js';
import { edgeFor, eventually, RawClient, ScriptedGateway } from './scripted-gateway.js';

let gateway: ScriptedGateway;
let edge: HttpEdge & { url: string };

beforeEach(async () => {
  gateway = new ScriptedGateway();
  edge = await edgeFor(gateway);
});

afterEach(async () => {
  await edge.close(0);
});

const post = (path: string, body?: string | Uint8Array, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(edge.url + path, { method: 'POST', body: body as string, headers });

describe('an invocation', () => {
  it('answers with the result as the body and everything else in headers', async () => {
    const response = await post('/functions/echo/1/invoke', '{"a":"ü€😀"}');
    expect(response.status).toBe(200);
    expect(await response.text()).toBe('{"a":"ü€😀"}');
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength('{"a":"ü€😀"}')),
      'x-iluvatar-tid': 'made-here',
      'x-iluvatar-state': 'warm',
      'x-iluvatar-queue-us': '11',
      'x-iluvatar-start-us': '22',
      'x-iluvatar-run-us': '33',
      'x-iluvatar-attempts': '1',
    });
    expect(response.headers.has('x-iluvatar-output')).toBe(false);
    expect(response.headers.has('x-iluvatar-throttled-us')).toBe(false);
  });

  it('passes bytes through unchanged, small and large, in one chunk and in many', async () => {
    for (const size of [1, 100, 8 * 1024, 8 * 1024 + 1, 300_000, 5_000_000]) {
      const bytes = Buffer.alloc(size, 0).map((_, i) => (i * 31 + (i >> 8)) & 0xff);
      gateway.define('bytes', '1', ({ settle }) => settle({ payload: bytes }));
      const answer = Buffer.from(await (await post('/functions/bytes/1/invoke', '{}')).arrayBuffer());
      expect(answer.equals(bytes)).toBe(true);
      const text = `"${'é'.repeat(size)}"`;
      expect(await (await post('/functions/echo/1/invoke', text)).text()).toBe(text);
    }
  });

  it('takes version 1 when none is named, and the header when there is one', async () => {
    gateway.define('echo', '2.0', ({ settle }) => settle({ payload: Buffer.from('"two"') }));
    expect(await (await post('/functions/echo/invoke', '1')).text()).toBe('1');
    expect(await (await post('/functions/echo/invoke', '1', { 'x-iluvatar-version': '2.0' })).text()).toBe('"two"');
    expect(await (await post('/functions/echo/2%2E0/invoke', '1')).text()).toBe('"two"');
  });

  it('passes on time-out and transaction id, and empty arguments as none', async () => {
    let seen: unknown;
    gateway.define('seen', '1', ({ args, timeoutMs, tid, settle }) => {
      seen = { args, timeoutMs, tid };
      settle({});
    });
    const response = await post('/functions/seen/1/invoke', undefined, {
      'x-iluvatar-timeout-ms': '1234',
      'x-iluvatar-tid': 'mine-1',
    });
    expect(seen).toEqual({ args: '', timeoutMs: 1234, tid: 'mine-1' });
    expect(response.headers.get('x-iluvatar-tid')).toBe('mine-1');
  });

  it.each([
    ['x-iluvatar-timeout-ms', '-1'],
    ['x-iluvatar-timeout-ms', 'soon'],
    ['x-iluvatar-timeout-ms', '1.5'],
    ['x-iluvatar-timeout-ms', '99999999999'],
    ['x-iluvatar-tid', 'x'.repeat(129)],
    ['x-iluvatar-tid', 'a b'],
  ])('refuses %s: %s', async (header, value) => {
    const response = await post('/functions/echo/1/invoke', '{}', { [header]: value });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ errorClass: 'invalid', detail: expect.stringContaining(header) });
    expect(gateway.settled).toBe(0);
  });

  it('wraps result and metadata in an envelope on request', async () => {
    gateway.define('talk', '1', ({ settle }) =>
      settle({
        payload: Buffer.from('{"x":[1,"ü"]}'),
        state: 'cold',
        attempts: 2,
        throttledUs: 44,
        details: { stdout: 'hi', stderr: '' },
      }),
    );
    const expected = {
      result: { x: [1, 'ü'] },
      tid: 'made-here',
      containerState: 'cold',
      phases: { queueUs: 11, startUs: 22, runUs: 33, throttledUs: 44 },
      attempts: 2,
      stdout: 'hi',
      stderr: '',
    };
    const byQuery = await post('/functions/talk/1/invoke?envelope', '{}');
    expect(await byQuery.json()).toEqual(expected);
    expect(byQuery.headers.get('content-type')).toBe('application/json');
    expect(byQuery.headers.get('x-iluvatar-throttled-us')).toBe('44');
    const byAccept = await post('/functions/talk/1/invoke', '{}', { accept: 'application/vnd.iluvatar+json' });
    expect(await byAccept.json()).toEqual(expected);
    expect(byAccept.headers.get('content-type')).toBe('application/vnd.iluvatar+json');
    const plain = await post('/functions/talk/1/invoke?envelope=false', '{}');
    expect(await plain.json()).toEqual({ x: [1, 'ü'] });
    expect(plain.headers.get('x-iluvatar-output')).toBe('captured');
  });

  it('copies a result out of the transport and drops its token, whoever still listens', async () => {
    gateway.define('token', '1', ({ settle }) => settle({ payload: gateway.token('{"from":"transport"}') }));
    expect(await (await post('/functions/token/1/invoke', '{}')).json()).toEqual({ from: 'transport' });
    gateway.define('failed', '1', ({ settle }) =>
      settle({ errorClass: 'user_error', message: 'no', payload: gateway.token('x') }),
    );
    expect((await post('/functions/failed/1/invoke', '{}')).status).toBe(422);
    gateway.define('none', '1', ({ settle }) => settle({ payload: 0 }));
    expect(await (await post('/functions/none/1/invoke', '{}')).json()).toBe(null);
    expect(gateway.tokens.size).toBe(0);
  });

  it('follows registrations that come and go under the same URL', async () => {
    const ask = async (): Promise<string> => (await post('/functions/echo/1/invoke', '5')).text();
    expect(await ask()).toBe('5');
    gateway.define('echo', '1', ({ settle }) => settle({ payload: Buffer.from('"replaced"') }));
    expect(await ask()).toBe('"replaced"');
    gateway.names.delete('echo@1');
    const gone = await post('/functions/echo/1/invoke', '5');
    expect(gone.status).toBe(404);
    expect(await gone.json()).toMatchObject({ errorClass: 'not_found', status: 404 });
  });

  it('tells names apart that would collide when joined', async () => {
    gateway.define('a-b', 'c', ({ settle }) => settle({ payload: Buffer.from('"a-b/c"') }));
    gateway.define('a', 'b-c', ({ settle }) => settle({ payload: Buffer.from('"a/b-c"') }));
    expect(await (await post('/functions/a-b/c/invoke')).json()).toBe('a-b/c');
    expect(await (await post('/functions/a/b-c/invoke')).json()).toBe('a/b-c');
  });

  it.each(['/functions/%00/1/invoke', '/functions/a%2Fb/1/invoke', '/functions/%zz/invoke', '/functions//1/invoke'])(
    'refuses the bad name in %s',
    async (path) => {
      const response = await post(path, '{}');
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ errorClass: 'invalid' });
    },
  );

  it('takes only POST', async () => {
    for (const method of ['GET', 'PUT', 'DELETE', 'HEAD']) {
      const response = await fetch(`${edge.url}/functions/echo/1/invoke`, { method });
      expect([method, response.status, response.headers.get('allow')]).toEqual([method, 405, 'POST, OPTIONS']);
    }
    const options = await fetch(`${edge.url}/functions/echo/1/invoke`, { method: 'OPTIONS' });
    expect([options.status, options.headers.get('allow')]).toEqual([204, 'POST, OPTIONS']);
  });

  it('answers pipelined requests in order, though they end in another', async () => {
    gateway.define('later', '1', () => {});
    const client = new RawClient(edge.port);
    const request = (body: string): string =>
      `POST /functions/later/1/invoke HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    client.write(['0', '1', '2', '3'].map(request).join(''));
    await eventually(() => gateway.held.size === 4);
    for (const held of [...gateway.held.values()].reverse()) held.settle({ payload: Buffer.from(`"r${held.args}"`) });
    const text = await client.until((received) => received.includes('"r3"'));
    expect([...text.matchAll(/"r\d"/g)].map(([match]) => match)).toEqual(['"r0"', '"r1"', '"r2"', '"r3"']);
    client.socket.destroy();
    await client.closed;
  });

  it('takes the absolute form of a URL, and a chunked body', async () => {
    const client = new RawClient(edge.port);
    client.write('POST http://any.host/functions/echo/1/invoke HTTP/1.1\r\nhost: any.host\r\n');
    client.write('transfer-encoding: chunked\r\n\r\n3\r\n[1,\r\n4\r\n 2 ]\r\n0\r\n\r\n');
    expect(await client.until((received) => received.endsWith(']'))).toContain('\r\n\r\n[1, 2 ]');
    client.socket.destroy();
    await client.closed;
  });

  it('never mixes up requests when its objects are used again', async () => {
    gateway.define('delayed', '1', (invocation) => {
      setTimeout(() => invocation.settle({ payload: Buffer.from(invocation.args) }), Number(invocation.args) % 7);
    });
    const numbers = Array.from({ length: 400 }, (_, i) => i);
    const answers = await Promise.all(
      numbers.map(async (n) => {
        const path = n % 3 === 0 ? '/functions/echo/1/invoke' : '/functions/delayed/1/invoke';
        return Number(await (await post(path, String(n))).text());
      }),
    );
    expect(answers).toEqual(numbers);
  });
});

describe('a failed invocation', () => {
  const classes = ERROR_CLASSES.filter((name) => name !== 'ok') as ErrorClass[];

  it.each(classes)('%s becomes a problem', async (errorClass) => {
    gateway.define('fail', '1', ({ settle }) =>
      settle({
        errorClass,
        message: `it was ${errorClass}`,
        payload: null,
        details: { traceback: 'line 1', stdout: 'out', evidence: { signal: 'SIGSEGV' } },
      }),
    );
    const response = await post('/functions/fail/1/invoke?envelope', '{}', { 'x-iluvatar-tid': 'tid-9' });
    expect(response.status).toBe(STATUS_OF_CLASS[errorClass]);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(response.headers.get('x-iluvatar-tid')).toBe('tid-9');
    const problem = (await response.json()) as Record<string, unknown>;
    expect(problem).toMatchObject({
      type: `urn:iluvatar:error:${errorClass}`,
      status: response.status,
      detail: `it was ${errorClass}`,
      errorClass,
      tid: 'tid-9',
      traceback: 'line 1',
      stdout: 'out',
      evidence: { signal: 'SIGSEGV' },
    });
    expect(problem.title).toEqual(expect.any(String));
  });

  it('says when to try again', async () => {
    gateway.define('full', '1', ({ settle }) =>
      settle({ errorClass: 'overloaded', message: 'full', payload: null, details: { retryAfterMs: 1200 } }),
    );
    const response = await post('/functions/full/1/invoke', '{}');
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '2']);
    expect(await response.json()).toMatchObject({ retryAfterMs: 1200 });
  });
});

describe('an asynchronous invocation', () => {
  it('is accepted with its id and place', async () => {
    gateway.answer = async () => ({ id: 'inv-7' });
    const response = await post('/functions/echo/1/invoke?async', '{"a":1}', {
      'x-iluvatar-tid': 't1',
      'x-iluvatar-timeout-ms': '50',
    });
    expect([response.status, response.headers.get('location')]).toEqual([202, '/invocations/inv-7']);
    expect(await response.json()).toEqual({ id: 'inv-7', location: '/invocations/inv-7' });
    const [call] = gateway.calls;
    expect(call?.method).toBe('invokeAsync');
    expect(call?.params).toEqual({ name: 'echo', version: '1', timeoutMs: 50, tid: 't1' });
    expect(Buffer.from(call?.body as Uint8Array).toString()).toBe('{"a":1}');
  });

  it('is refused, not accepted, when the gateway refuses', async () => {
    const { IluvatarError } = await import('../../../src/core/errors.js');
    gateway.answer = async () => {
      throw new IluvatarError('not_found', 'no such function');
    };
    const response = await post('/functions/nobody/1/invoke?async', '{}');
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ errorClass: 'not_found' });
  });
});
