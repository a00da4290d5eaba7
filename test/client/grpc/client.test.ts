import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import type { GrpcClientOptions } from '../../../src/client/grpc/options.js';
import { GrpcWorkerClient } from '../../../src/client/grpc/worker-client.js';
import { IluvatarError } from '../../../src/core/errors.js';
import { GrpcJsWorker, INVOKED, type Invoke, trailers } from './grpc-js-worker.js';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

const answer: Invoke = (_call, callback) => callback(null, INVOKED);
const never: Invoke = () => undefined;

async function served(invoke: Invoke = answer, address?: string): Promise<GrpcJsWorker> {
  const worker = await GrpcJsWorker.start(invoke, address);
  cleanups.push(() => worker[Symbol.asyncDispose]());
  return worker;
}

function client(address: string, options?: GrpcClientOptions): GrpcWorkerClient {
  const made = new GrpcWorkerClient(address, options);
  cleanups.push(() => made.close());
  return made;
}

async function failure(promise: Promise<unknown>): Promise<IluvatarError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(IluvatarError);
  return error as IluvatarError;
}

describe('calls', () => {
  it('carries every kind of field there and back', async () => {
    const { address } = await served();
    const worker = client(address);
    expect(await worker.ping({ message: 'a' })).toEqual({ message: 'Pong a' });
    expect(await worker.invoke({ functionName: 'hello', functionVersion: '1', jsonArgs: '{}' })).toEqual(INVOKED);
    const found = await worker.status({ transactionId: 'näme' });
    expect(found).toMatchObject({ workerName: 'näme', cpuQueueLen: 2 ** 40, usedMemPct: 0.5, numRunningFuncs: 3 });
    expect(await worker.estInvokeTime({ fqdns: ['a', 'b'] })).toEqual({ estTime: [0, 0.5] });
    expect((await worker.listRegisteredFuncs()).functions).toHaveLength(1);
    expect(await worker.clean()).toEqual({});
    expect(await worker.health()).toEqual({ status: 1 });
    const registered = await worker.register({ functionName: 'f', archive: new Uint8Array(70_000) });
    expect(registered.fqdn).toBe('f-70000');
  });

  it('speaks to a unix socket', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'iluvatar-grpc-client-'));
    cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
    const { address } = await served(answer, `unix:${join(folder, 's')}`);
    expect(await client(address).ping()).toEqual({ message: 'Pong ' });
  });

  it('has a thousand calls open at once, over one connection or several', async () => {
    let open = 0;
    let most = 0;
    const waiting: (() => void)[] = [];
    const { address } = await served(({ request }, callback) => {
      most = Math.max(most, ++open);
      waiting.push(() => callback(null, { ...INVOKED, jsonResult: request.jsonArgs }));
      if (waiting.length % 1000 === 0) for (const go of waiting.splice(0)) go();
    });
    for (const connections of [1, 3]) {
      const worker = client(address, { connections });
      await worker.connected();
      open = 0;
      const calls = Array.from({ length: 1000 }, (_, i) => worker.invoke({ jsonArgs: `${i}` }));
      const results = (await Promise.all(calls)).map(({ jsonResult }) => Number(jsonResult));
      expect(results).toEqual(Array.from({ length: 1000 }, (_, i) => i));
      expect(most).toBe(1000);
    }
  });

  it('carries large messages both ways, compressed too', async () => {
    const text = JSON.stringify('x'.repeat(8 * 1024 * 1024));
    const { address } = await served(({ request }, callback) =>
      callback(null, { ...INVOKED, jsonResult: request.jsonArgs }),
    );
    for (const compression of ['identity', 'gzip'] as const) {
      const { jsonResult } = await client(address, { compression }).invoke({ jsonArgs: text });
      expect(jsonResult === text).toBe(true);
    }
  });

  it('sends metadata, text and bytes', async () => {
    let seen: unknown[] = [];
    const { address } = await served(({ metadata }, callback) => {
      seen = [metadata.get('x-text')[0], metadata.get('x-bytes-bin')[0]];
      callback(null, INVOKED);
    });
    await client(address).invoke({}, { metadata: { 'x-text': 'a b', 'x-bytes-bin': Buffer.from([0, 255]) } });
    expect(seen).toEqual(['a b', Buffer.from([0, 255])]);
  });
});

describe('failures', () => {
  it('has the class that the status means', async () => {
    const { address } = await served(({ request }, callback) =>
      callback({ code: Number(request.jsonArgs), details: 'ä "quoted" 100%' }),
    );
    const worker = client(address);
    const classes: Record<string, string> = {};
    for (const code of [1, 2, 3, 4, 5, 6, 8, 12, 13, 14]) {
      const error = await failure(worker.invoke({ jsonArgs: `${code}` }));
      classes[status[code] as string] = error.errorClass;
      expect(error.message).toBe('ä "quoted" 100%');
    }
    expect(classes).toEqual({
      CANCELLED: 'cancelled',
      UNKNOWN: 'internal',
      INVALID_ARGUMENT: 'invalid',
      DEADLINE_EXCEEDED: 'timeout',
      NOT_FOUND: 'not_found',
      ALREADY_EXISTS: 'conflict',
      RESOURCE_EXHAUSTED: 'overloaded',
      UNIMPLEMENTED: 'invalid',
      INTERNAL: 'internal',
      UNAVAILABLE: 'unavailable',
    });
  });

  it('has the class and the details that a worker of ours names', async () => {
    const named = trailers({ 'iluvatar-error-class': 'start_failed' });
    named.set('iluvatar-error-details-bin', Buffer.from('{"attempts":3}'));
    const { address } = await served((_call, callback) => callback({ code: status.INTERNAL, metadata: named }));
    const { errorClass, details } = await failure(client(address).invoke({}));
    expect([errorClass, details]).toEqual(['start_failed', { attempts: 3 }]);
  });

  it('fails at its deadline, and the server knows of it', async () => {
    let told: () => void = () => undefined;
    const cancelled = new Promise<void>((resolve) => {
      told = resolve;
    });
    let remaining = Number.NaN;
    const { address } = await served((call) => {
      remaining = Number(call.getDeadline()) - Date.now();
      call.on('cancelled', told);
    });
    expect((await failure(client(address).invoke({}, { timeoutMs: 300 }))).errorClass).toBe('timeout');
    await cancelled;
    expect(remaining).toBeLessThanOrEqual(301);
  });

  it('can be cancelled: before it was sent, and while it runs', async () => {
    const begun: (() => void)[] = [];
    const ended: (() => void)[] = [];
    const { address } = await served((call) => {
      call.on('cancelled', () => ended.shift()?.());
      begun.shift()?.();
    });
    const worker = client(address);
    expect((await failure(worker.invoke({}, { signal: AbortSignal.abort() }))).errorClass).toBe('cancelled');
    const controller = new AbortController();
    const running = new Promise<void>((resolve) => begun.push(resolve));
    const stopped = new Promise<void>((resolve) => ended.push(resolve));
    const call = failure(worker.invoke({}, { signal: controller.signal }));
    await running;
    controller.abort();
    expect((await call).errorClass).toBe('cancelled');
    await stopped;
  });

  it('refuses an answer that is too large, and goes on', async () => {
    const { address } = await served(({ request }, callback) =>
      callback(null, { ...INVOKED, jsonResult: 'z'.repeat(Number(request.jsonArgs)) }),
    );
    const worker = client(address, { maxMessageBytes: 100_000 });
    const error = await failure(worker.invoke({ jsonArgs: '1000000' }));
    expect([error.errorClass, error.message]).toEqual(['too_large', 'the answer is larger than 100000 bytes']);
    expect((await worker.invoke({ jsonArgs: '10' })).jsonResult).toHaveLength(10);
  });

  it('says where nobody listens, at once', async () => {
    const worker = await served();
    await worker.drain();
    const error = await failure(client(worker.address).connected());
    expect(error.errorClass).toBe('unavailable');
    expect(error.message).toContain(`no gRPC server at grpc://${worker.address}`);
  });

  it('refuses what is no address', () => {
    for (const text of ['', 'host', 'host:', ':80', 'http://a:80', 'a:99999', 'unix:', '[::1]']) {
      expect(() => new GrpcWorkerClient(text), text).toThrow(IluvatarError);
    }
    expect(new GrpcWorkerClient('[::1]:80').address).toBe('grpc://[::1]:80');
    expect(new GrpcWorkerClient('grpc://localhost:8070/').address).toBe('grpc://localhost:8070');
  });

  it('answers all that is in flight when it is closed', async () => {
    const { address } = await served(never);
    const worker = client(address);
    await worker.connected();
    const calls = [failure(worker.invoke({})), failure(worker.invoke({}))];
    worker.close();
    for (const error of await Promise.all(calls)) expect(error.errorClass).toBe('unavailable');
    expect((await failure(worker.ping())).message).toBe('the client was closed');
  });
});
