import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RegisteredFunction } from '../../../src/config/api.js';
import { IluvatarError } from '../../../src/core/errors.js';
import type { HttpEdge } from '../../../src/server/http/edge.js';
import { type OpenApiDocument, openApiDocument } from '../../../src/server/http/openapi.js';
import { ROUTES } from '../../../src/server/http/routes.js';
import { edgeFor, ScriptedGateway } from './scripted-gateway.js';

let gateway: ScriptedGateway;
let edge: HttpEdge & { url: string };

const registered: RegisteredFunction = {
  name: 'hello',
  version: '1',
  image: null,
  digest: 'd',
  handle: 3,
  runtime: 'python3',
  memoryMb: 128,
  cpus: 1,
  timeoutMs: 60_000,
  backends: ['process'],
  queued: 0,
  running: 0,
  containers: 0,
  energyJoules: null,
  characteristics: { interArrivalMs: 0, memoryMb: 0, pageCacheMb: 0, devices: [] },
};

beforeEach(async () => {
  gateway = new ScriptedGateway();
  edge = await edgeFor(gateway);
  gateway.answer = async ({ method }) => {
    switch (method) {
      case 'list':
        return [registered];
      case 'health':
        return { healthy: true, notes: [], backends: [], threads: [], tasks: [] };
      case 'metrics':
        return '# HELP a b\n';
      case 'register':
        return registered;
      default:
        return { from: method };
    }
  };
});

afterEach(async () => {
  await edge.close(0);
});

const ask = (method: string, path: string, init: RequestInit = {}): Promise<Response> =>
  fetch(edge.url + path, { method, ...init });
const sendJson = (method: string, path: string, value: unknown, headers: Record<string, string> = {}) =>
  ask(method, path, { body: JSON.stringify(value), headers: { 'content-type': 'application/json', ...headers } });

describe('registering', () => {
  const definition = { name: 'hello', source: '/srv/hello' };

  it('from a path', async () => {
    const response = await sendJson('POST', '/functions?replace', definition, { 'x-iluvatar-tid': 't-1' });
    expect([response.status, response.headers.get('location')]).toEqual([201, '/functions/hello/1']);
    expect(await response.json()).toEqual(registered);
    expect(gateway.calls[0]).toMatchObject({
      method: 'register',
      body: null,
      params: { replace: true, tid: 't-1', definition: { name: 'hello', version: '1', source: '/srv/hello' } },
    });
  });

  it('from a path is refused by a worker that others can reach', async () => {
    await edge.close(0);
    edge = await edgeFor(gateway, { address: '0.0.0.0' });
    const response = await sendJson('POST', '/functions', definition);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ errorClass: 'invalid', detail: expect.stringContaining('loopback') });
    expect(gateway.calls).toEqual([]);
  });

  it('by PUT replaces, with the name of the path', async () => {
    const response = await sendJson('PUT', '/functions/hello/2', { source: '/srv/hello' });
    expect(response.status).toBe(200);
    expect(gateway.calls[0]?.params).toMatchObject({ replace: true, definition: { name: 'hello', version: '2' } });
    const other = await sendJson('PUT', '/functions/hello/2', { source: '/srv/hello', name: 'other' });
    expect(other.status).toBe(400);
  });

  const archive = randomBytes(3_000_000);

  it.each(['application/gzip', 'application/x-tar'])('from an uploaded archive (%s), streamed', async (type) => {
    let position = 0;
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (position >= archive.length) return controller.close();
        controller.enqueue(archive.subarray(position, position + 100_000));
        position += 100_000;
      },
    });
    const response = await ask('POST', '/functions', {
      body: stream,
      duplex: 'half',
      headers: {
        'content-type': type,
        'x-iluvatar-definition': Buffer.from('{"name":"hello","labels":{"for":"Zoë"}}').toString('latin1'),
      },
    } as RequestInit);
    expect(response.status).toBe(201);
    expect(archive.equals(gateway.calls[0]?.body as Uint8Array)).toBe(true);
    expect(gateway.calls[0]?.params).toMatchObject({ definition: { name: 'hello', labels: { for: 'Zoë' } } });
  });

  it('from an archive with its definition in the query, and from a form', async () => {
    const query = new URLSearchParams({ definition: '{"name":"hello"}' });
    const byQuery = await ask('POST', `/functions?${query}`, {
      body: archive,
      headers: { 'content-type': 'application/gzip' },
    });
    expect(byQuery.status).toBe(201);
    const form = new FormData();
    form.set('definition', '{"name":"hello","version":"7"}');
    form.set('source', new Blob([archive]), 'source.tar.gz');
    const byForm = await ask('PUT', '/functions/hello/7', { body: form });
    expect(byForm.status).toBe(200);
    expect(gateway.calls.map((call) => archive.equals(call.body as Uint8Array))).toEqual([true, true]);
  });

  it('from an image, in a form or as JSON', async () => {
    const form = new FormData();
    form.set('definition', '{"name":"shop"}');
    form.set('image', 'ghcr.io/me/shop:1');
    expect((await ask('POST', '/functions', { body: form })).status).toBe(201);
    const inside = new FormData();
    inside.set('definition', '{"name":"shop","image":"/srv/shop.tar"}');
    expect((await ask('POST', '/functions', { body: inside })).status).toBe(201);
    const neither = new FormData();
    neither.set('definition', '{"name":"shop"}');
    const refused = await ask('POST', '/functions', { body: neither });
    expect([refused.status, ((await refused.json()) as { detail: string }).detail]).toEqual([
      400,
      expect.stringContaining('"image"'),
    ]);
    expect(gateway.calls.map(({ params, body }) => [params, body])).toMatchObject([
      [{ definition: { name: 'shop', image: 'ghcr.io/me/shop:1' } }, null],
      [{ definition: { name: 'shop', image: '/srv/shop.tar' } }, null],
    ]);
  });

  it('takes images by reference, and no path, where others can reach it', async () => {
    await edge.close(0);
    edge = await edgeFor(gateway, { address: '0.0.0.0' });
    expect((await sendJson('POST', '/functions', { name: 'shop', image: 'ghcr.io/me/shop:1' })).status).toBe(201);
    const byPath = await sendJson('POST', '/functions', { name: 'shop', image: '/etc' });
    const form = new FormData();
    form.set('definition', '{"name":"shop","base":"/etc"}');
    form.set('source', new Blob([archive]), 'source.tar.gz');
    const withBase = await ask('POST', '/functions', { body: form });
    const packed = await ask('POST', '/functions', {
      body: archive,
      headers: { 'content-type': 'application/gzip', 'x-iluvatar-definition': '{"name":"shop","base":"/etc"}' },
    });
    for (const response of [byPath, withBase, packed]) {
      expect(response.status).toBe(400);
      expect(((await response.json()) as { detail: string }).detail).toContain('loopback');
    }
    expect(gateway.calls).toHaveLength(1);
  });

  it.each([
    ['no definition', 'application/gzip', 'bytes', 400],
    ['an empty archive', 'application/gzip', '', 400],
    ['malformed JSON', 'application/json', '{"name":', 400],
    ['JSON that is no object', 'application/json', '[1]', 400],
    ['a bad name', 'application/json', '{"name":"../x","source":"/x"}', 400],
    ['an unknown key', 'application/json', '{"name":"x","source":"/x","memory":1}', 400],
    ['absurd memory', 'application/json', '{"name":"x","source":"/x","memoryMb":1e12}', 400],
    ['a broken form', 'multipart/form-data; boundary=x', 'no form', 400],
    ['an unknown type', 'text/plain', '{"name":"x","source":"/x"}', 415],
    ['no type', '', '{}', 415],
  ])('refuses %s', async (what, type, body, status) => {
    const response = await ask('POST', '/functions', {
      body: Buffer.from(body),
      headers: {
        ...(type === '' ? {} : { 'content-type': type }),
        ...(what === 'an empty archive' ? { 'x-iluvatar-definition': '{"name":"x"}' } : {}),
      },
    });
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(await response.json()).toMatchObject({ errorClass: 'invalid', status });
    expect(gateway.calls).toEqual([]);
  });

  it('streams its progress on request, and ends with the result or the problem', async () => {
    const accept = { accept: 'application/x-ndjson' };
    gateway.answer = async (_call, progress) => {
      progress('installing');
      progress('checking');
      return registered;
    };
    const response = await sendJson('POST', '/functions', definition, accept);
    expect(response.headers.get('content-type')).toBe('application/x-ndjson');
    const lines = async (from: Response) =>
      (await from.text())
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown);
    expect(await lines(response)).toEqual([
      { progress: 'installing' },
      { progress: 'checking' },
      { result: registered },
    ]);
    gateway.answer = async (_call, progress) => {
      progress('installing');
      throw new IluvatarError('start_failed', 'pip said no', { stderr: 'no such package' });
    };
    expect(await lines(await sendJson('POST', '/functions', definition, accept))).toMatchObject([
      { progress: 'installing' },
      { error: { errorClass: 'start_failed', status: 502, detail: 'pip said no', stderr: 'no such package' } },
    ]);
  });
});

describe('the other routes', () => {
  it.each([
    ['GET', '/functions', 'list', {}],
    ['DELETE', '/functions/hello/1', 'unregister', { name: 'hello', version: '1' }],
    ['POST', '/functions/hello/1/prewarm', 'prewarm', { name: 'hello', version: '1', count: 1 }],
    ['GET', '/invocations/a%2Fb?waitMs=50', 'result', { id: 'a/b', waitMs: 50 }],
    ['GET', '/status', 'status', {}],
    ['POST', '/clean', 'clean', {}],
    ['POST', '/drain', 'drain', {}],
    ['GET', '/metrics', 'metrics', {}],
    ['GET', '/healthz', 'health', {}],
  ])('%s %s calls %s', async (method, path, called, params) => {
    const response = await ask(method, path);
    expect(response.status).toBe(200);
    expect(gateway.calls).toMatchObject([{ method: called, params, body: null }]);
  });

  it('pass JSON on', async () => {
    await sendJson('POST', '/functions/hello/1/prewarm', { count: 5 });
    await sendJson('POST', '/drain', { timeoutMs: 7 });
    await sendJson('POST', '/estimate', { functions: [{ name: 'hello' }] });
    expect(gateway.calls.map((call) => call.params)).toEqual([
      { name: 'hello', version: '1', count: 5 },
      { timeoutMs: 7 },
      { functions: [{ name: 'hello', version: '1' }] },
    ]);
  });

  it('answer metrics as text, health by status, one function by name', async () => {
    const metrics = await ask('GET', '/metrics');
    expect(metrics.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(await metrics.text()).toBe('# HELP a b\n');
    expect(await (await ask('GET', '/functions/hello/1')).json()).toEqual(registered);
    expect((await ask('GET', '/functions/hello/2')).status).toBe(404);
    expect(await (await ask('GET', '/livez')).json()).toEqual({ live: true });
    gateway.answer = async () => ({ healthy: false, notes: ['no python'], backends: [], threads: [], tasks: [] });
    const health = await ask('GET', '/healthz');
    expect([health.status, await health.json()]).toMatchObject([503, { notes: ['no python'] }]);
  });

  it('turn the failures of the gateway into problems', async () => {
    gateway.answer = async () => {
      throw new IluvatarError('unavailable', 'draining', { retryAfterMs: 10 });
    };
    const known = await ask('GET', '/status', { headers: { 'x-iluvatar-tid': 'tt' } });
    expect([known.status, known.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await known.json()).toMatchObject({ errorClass: 'unavailable', detail: 'draining', tid: 'tt' });
    gateway.answer = async () => {
      throw new TypeError('secret path /root');
    };
    const defect = await ask('GET', '/status');
    expect(defect.status).toBe(500);
    expect(await defect.text()).not.toContain('secret');
  });

  it.each([
    ['/invocations/x?waitMs=soon', 'GET', undefined],
    ['/invocations/x?waitMs=-1', 'GET', undefined],
    ['/estimate', 'POST', '{"functions":['],
    ['/estimate', 'POST', '{}'],
    ['/drain', 'POST', '"now"'],
    ['/functions/hello/1/prewarm', 'POST', '{"count":0}'],
  ])('refuse bad input: %s %s', async (path, method, body) => {
    const response = await ask(
      method,
      path,
      body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } },
    );
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ errorClass: 'invalid' });
  });

  it('answer HEAD, OPTIONS, and other methods with what a path takes', async () => {
    const head = await ask('HEAD', '/status');
    expect([head.status, await head.text()]).toEqual([200, '']);
    const options = await ask('OPTIONS', '/functions/hello/1');
    expect([options.status, options.headers.get('allow')]).toEqual([204, 'GET, PUT, DELETE, HEAD, OPTIONS']);
    const patch = await ask('PATCH', '/functions', { body: '{}' });
    expect([patch.status, patch.headers.get('allow')]).toEqual([405, 'GET, POST, HEAD, OPTIONS']);
    expect(await patch.json()).toMatchObject({ errorClass: 'invalid', status: 405 });
    const nowhere = await ask('GET', '/nowhere');
    expect(nowhere.status).toBe(404);
    expect(await nowhere.json()).toMatchObject({ errorClass: 'not_found' });
  });
});

describe('/openapi.json', () => {
  it('is what the routes are written as, and every reference in it resolves', async () => {
    const document = (await (await ask('GET', '/openapi.json')).json()) as OpenApiDocument;
    expect(document).toEqual(JSON.parse(JSON.stringify(openApiDocument())));
    expect(document.openapi).toBe('3.1.0');
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1] as string);
    expect(references.length).toBeGreaterThan(20);
    for (const reference of new Set(references)) {
      const parts = reference.replace(/^#\//, '').split('/');
      let at: unknown = document;
      for (const part of parts) at = (at as Record<string, unknown>)[part];
      expect(at, reference).toEqual(expect.any(Object));
    }
  });

  it('names each operation once, and each path parameter of each path', () => {
    const ids = ROUTES.map((route) => route.operation);
    expect(new Set(ids).size).toBe(ids.length);
    for (const route of ROUTES) {
      const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      const described = route.parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name);
      expect(described, route.path).toEqual(inPath);
    }
  });

  it('lists only what is served', async () => {
    for (const { method, path } of ROUTES) {
      const url = path.replace('{name}', 'hello').replace('{version}', '1').replace('{id}', 'x');
      const response = await ask(method, url, { headers: { 'content-type': 'application/json' } });
      const body = await response.text();
      expect([404, 405].includes(response.status) && !url.endsWith('/invoke'), `${method} ${url}: ${body}`).toBe(false);
    }
  });
});
