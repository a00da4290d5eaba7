import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Client, type ConnectOptions, connect } from '../../src/client/client.js';
import { ERROR_CLASSES, type ErrorClass, IluvatarError } from '../../src/core/errors.js';
import { type Answer, type FakeWorker, refuse, startFakeWorker } from './fake-worker.js';

const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const clean of cleanups.splice(0).reverse()) clean();
});

async function connected(
  answer?: Answer,
  maxBodyBytes?: number,
  options?: ConnectOptions,
): Promise<[Client, FakeWorker]> {
  const worker = startFakeWorker(answer, maxBodyBytes);
  cleanups.push(() => worker.stop());
  const client = await connect(worker.socket, options);
  cleanups.push(() => client.close());
  return [client, worker];
}

async function failure(promise: Promise<unknown>): Promise<IluvatarError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(IluvatarError);
  return error as IluvatarError;
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 6000 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(condition()).toBe(true);
}

describe('connect', () => {
  it('learns who is at the other end', async () => {
    const [client] = await connected();
    expect(client.workerName).toBe('fake');
  });

  it('finds the socket through a configuration', async () => {
    const [, worker] = await connected();
    await using client = await connect({ socket: worker.socket });
    expect(client.workerName).toBe('fake');
  });

  it('rejects with unavailable when nobody listens, naming the path', async () => {
    const error = await failure(connect('/nonexistent/iluvatar-test.sock'));
    expect(error.errorClass).toBe('unavailable');
    expect(error.message).toContain('/nonexistent/iluvatar-test.sock');
  });

  it('rejects when a stranger listens there', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'iluvatar-stranger-'));
    const path = join(folder, 's.sock');
    const server = createServer((socket) => socket.end('SSH-2.0-Stranger, and more than one header of it\r\n'));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    cleanups.push(
      () => rmSync(folder, { recursive: true, force: true }),
      () => server.close(),
    );
    const error = await failure(connect(path));
    expect(error.errorClass).toBe('unavailable');
    expect(error.message).toContain('ERR_FRAME_MAGIC');
  });

  it('rejects when nothing is ever said', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'iluvatar-silent-'));
    const path = join(folder, 's.sock');
    const server = createServer((socket) => cleanups.push(() => socket.destroy()));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    cleanups.push(
      () => rmSync(folder, { recursive: true, force: true }),
      () => server.close(),
    );
    const error = await failure(connect(path, { timeoutMs: 50 }));
    expect(error.errorClass).toBe('unavailable');
    expect(error.message).toContain('50 ms');
  });
});

describe('invoke', () => {
  it('resolves with the result, the phases and what was printed', async () => {
    const [client, worker] = await connected();
    const answer = await client.invoke('echo', { a: [1, 'ü'] }, { version: '2', tid: 'abc', timeoutMs: 1234 });
    expect(answer).toEqual({
      result: { a: [1, 'ü'] },
      tid: 'abc',
      containerState: 'warm',
      phases: { queueUs: 12, startUs: 0, runUs: 345, throttledUs: 67 },
      attempts: 1,
      stdout: 'printed\n',
      stderr: '',
    });
    expect(worker.invocations).toEqual([
      { meta: { function: 'echo', version: '2', tid: 'abc' }, handle: 0, timeoutMs: 1234, body: '{"a":[1,"ü"]}' },
    ]);
  });

  it('uses a handle in place of the name', async () => {
    const [client, worker] = await connected();
    await client.invoke('whatever', {}, { handle: 77 });
    expect(worker.invocations[0]).toMatchObject({ meta: {}, handle: 77 });
  });

  it.each(ERROR_CLASSES.filter((name): name is ErrorClass => name !== 'ok'))('rejects with %s', async (errorClass) => {
    const [client] = await connected();
    const error = await failure(client.invoke(`fail-${errorClass}`));
    expect(error.errorClass).toBe(errorClass);
    expect(error.message).toBe(`failed as fail-${errorClass}`);
    expect(error.details).toEqual({ traceback: 'line 1\nline 2', retryAfterMs: 7 });
  });

  it('keeps many in flight and takes answers in any order', async () => {
    const [client, worker] = await connected();
    const all = Array.from({ length: 500 }, (_, i) => client.invoke('hold', i));
    await until(() => worker.invocations.length === 500);
    worker.release();
    expect((await Promise.all(all)).map(({ result }) => result)).toEqual(all.map((_, i) => i));
  });

  it('gives up on an AbortSignal and tells the worker', async () => {
    const [client, worker] = await connected();
    const stop = new AbortController();
    const held = client.invoke('hold', 1, { signal: stop.signal });
    const other = client.invoke('hold', 2);
    await until(() => worker.invocations.length === 2);
    stop.abort();
    expect((await failure(held)).errorClass).toBe('cancelled');
    await until(() => worker.cancelled.length === 1);
    // Its answer still comes, and must not be taken for another's.
    worker.release();
    expect((await other).result).toBe(2);
    expect((await failure(client.invoke('echo', 1, { signal: AbortSignal.abort() }))).errorClass).toBe('cancelled');
    expect(worker.invocations).toHaveLength(2);
  });

  it('refuses arguments that are not JSON, or larger than the worker takes', async () => {
    const [client, worker] = await connected(undefined, 64 * 1024);
    const circular: { self?: unknown } = {};
    circular.self = circular;
    expect((await failure(client.invoke('echo', circular))).errorClass).toBe('invalid');
    expect((await failure(client.invoke('echo', () => 1))).errorClass).toBe('invalid');
    expect((await client.invoke('echo', undefined)).result).toEqual({});
    expect((await failure(client.invoke('echo', 'x'.repeat(64 * 1024)))).errorClass).toBe('too_large');
    expect((await client.invoke('echo', 'x'.repeat(64 * 1024 - 2))).result).toHaveLength(64 * 1024 - 2);
    expect(worker.invocations.length).toBe(2);
  });

  it('rejects everything open with unavailable when the connection is lost, and everything after', async () => {
    const [client, worker] = await connected();
    const open = [client.invoke('hold'), client.invoke('hold'), client.call('status')];
    open.push(client.invoke('hold'));
    await until(() => worker.invocations.length === 3);
    worker.hangUp();
    for (const error of await Promise.all([client.invoke('hold'), ...open.filter((_, i) => i !== 2)].map(failure))) {
      expect(error.errorClass).toBe('unavailable');
    }
    expect((await failure(client.ping())).errorClass).toBe('unavailable');
  });

  it('rejects what is open when it is closed', async () => {
    const [client, worker] = await connected();
    const held = failure(client.invoke('hold'));
    await until(() => worker.invocations.length === 1);
    await client[Symbol.asyncDispose]();
    expect((await held).errorClass).toBe('unavailable');
    expect((await failure(client.invoke('echo'))).errorClass).toBe('unavailable');
  });
});

describe('call', () => {
  it('sends parameters and body, passes on progress, and returns the result', async () => {
    const [client, worker] = await connected(({ method, progress }) => {
      progress('one');
      progress('two');
      return { did: method };
    });
    const lines: string[] = [];
    const result = await client.register(
      { name: 'f', source: '/x' },
      { replace: true, tid: 't', archive: Buffer.from('tar'), progress: (line) => lines.push(line) },
    );
    expect(result).toEqual({ did: 'register' });
    expect(lines).toEqual(['one', 'two']);
    const [call] = worker.calls;
    expect(call?.params).toEqual({ definition: { name: 'f', source: '/x' }, replace: true, tid: 't' });
    expect(call?.body.toString()).toBe('tar');
  });

  it('rejects with the error of the worker', async () => {
    const [client] = await connected(() => refuse('conflict', 'another one is there'));
    const error = await failure(client.unregister('f'));
    expect([error.errorClass, error.message]).toEqual(['conflict', 'another one is there']);
  });

  it('asks each method with the parameters of its schema', async () => {
    const answers: Record<string, unknown> = {
      invokeAsync: { id: 'i' },
      prewarm: { containers: 2 },
      estimate: { estimates: [0.5] },
      clean: { removed: 3 },
      drain: { drained: true },
      metrics: 'text',
      result: { status: 'done', finishedAt: 1 },
      list: [],
    };
    const [client, worker] = await connected(({ method }) => answers[method]);
    const { methodSchemas } = await import('../../src/config/api.js');
    expect(await client.invokeAsync('f', { a: 1 }, { timeoutMs: 5, tid: 't' })).toBe('i');
    expect(await client.prewarm('f', { count: 2 })).toEqual({ containers: 2 });
    expect(await client.estimate([{ name: 'f' }])).toEqual([0.5]);
    expect(await client.clean()).toBe(3);
    expect(await client.drain(10)).toBe(true);
    expect(await client.metrics()).toBe('text');
    expect(await client.list()).toEqual([]);
    await client.result('i', { waitMs: 20 });
    await client.status();
    await client.health();
    await client.unregister('f', '2');
    expect(worker.calls[0]?.body.toString()).toBe('{"a":1}');
    for (const { method, params } of worker.calls) {
      const checked = methodSchemas[method as keyof typeof methodSchemas].safeParse(params);
      expect(checked.success, `${method} ${JSON.stringify(params)}`).toBe(true);
    }
  });
});
