import { compressionAlgorithms, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IluvatarError } from '../../../src/core/errors.js';
import { HealthCheckResponse_ServingStatus, HealthClient } from '../../../src/rpc/gen/grpc/health/v1/health.js';
import * as v1 from '../../../src/rpc/gen/grpc/reflection/v1/reflection.js';
import * as v1alpha from '../../../src/rpc/gen/grpc/reflection/v1alpha/reflection.js';
import type { IluvatarWorkerClient } from '../../../src/rpc/gen/iluvatar_rpc.js';
import { ContainerState, RegisterRequest } from '../../../src/rpc/gen/iluvatar_rpc.js';
import type { GrpcEdge } from '../../../src/server/grpc/edge.js';
import { eventually, ScriptedGateway } from '../http/scripted-gateway.js';
import { called, GrpcStage, request } from './support.js';

/** A client of its own make, as users have it: @grpc/grpc-js with the generated client. */

let stage: GrpcStage;
let gateway: ScriptedGateway;
let edge: GrpcEdge;
let client: IluvatarWorkerClient;
const MANY = 128 * 1024 * 1024;
const LARGE = { 'grpc.max_receive_message_length': MANY, 'grpc.max_send_message_length': MANY };

beforeEach(async () => {
  stage = new GrpcStage();
  gateway = new ScriptedGateway();
  edge = await stage.edge(gateway, { healthWatchMs: 10 });
  client = stage.client(edge.port);
});
afterEach(() => stage.end());

const invoke = (name: string, args = '{}', options: { deadline?: Date } = {}, metadata = new Metadata()) =>
  called(client.invoke, client, request(name, args), options, metadata);
const inMs = (ms: number) => ({ deadline: new Date(Date.now() + ms) });

async function failure(call: Promise<unknown>): Promise<ServiceError> {
  const outcome = await call.then(
    (value) => ({ value }),
    (error: ServiceError) => error,
  );
  expect(outcome).toBeInstanceOf(Error);
  return outcome as ServiceError;
}

describe('invoke', () => {
  it('gives arguments as they are, whatever they are, and the result', async () => {
    for (const args of ['{"a":1}', 'no JSON at all', '"𝄞"']) {
      expect(await invoke('echo', args)).toMatchObject({ jsonResult: args, success: true });
    }
    expect((await invoke('echo', '')).jsonResult).toBe('null');
  });

  it('tells the state, the device and the time with the container', async () => {
    gateway.define('cold', '1', ({ settle }) => settle({ state: 'cold', device: 'gpu', runUs: 1_500_000 }));
    expect(await invoke('cold')).toMatchObject({
      containerState: ContainerState.COLD,
      compute: 2,
      durationUs: 1_500_000,
      errorClass: '',
      worker: '',
      transactionId: '',
      attempts: 0,
    });
  });

  it('tells all it knows to whoever asks for details', async () => {
    gateway.define('slow', '1', ({ settle }) => settle({ backend: 'process', attempts: 2, throttledUs: 44 }));
    const answer = await called(client.invoke, client, { ...request('slow', '{}', 'tx-1'), details: true });
    expect(answer).toMatchObject({
      transactionId: 'tx-1',
      worker: 'w1',
      backend: 'process',
      attempts: 2,
      queueUs: 11,
      createUs: 22,
      throttledUs: 44,
    });
  });

  it('answers a function that is not registered as the original does', async () => {
    expect(await invoke('nothing')).toMatchObject({
      jsonResult: '{"Error":"Function was not registered"}',
      success: false,
      durationUs: 0,
      compute: 0,
      containerState: ContainerState.ERROR,
    });
  });

  it('answers a failed invocation with success=false and an error that is JSON', async () => {
    const message = 'it said "no"\nand \\ went';
    gateway.define('dies', '1', ({ settle }) =>
      settle({ errorClass: 'crashed', message, payload: null, state: 'warm' }),
    );
    const crashed = await called(client.invoke, client, { ...request('dies'), details: true });
    expect(crashed).toMatchObject({ success: false, durationUs: 0, compute: 0, containerState: 0 });
    expect(JSON.parse(crashed.jsonResult)).toEqual({ Error: message });
    expect(crashed).toMatchObject({ errorClass: 'crashed', errorMessage: message });
    gateway.define('raises', '1', ({ settle }) =>
      settle({ errorClass: 'user_error', message, payload: null, runUs: 77 }),
    );
    const raised = await invoke('raises');
    expect(raised).toMatchObject({ success: false, compute: 1, containerState: ContainerState.WARM });
    expect(raised.durationUs).toBeGreaterThanOrEqual(77);
    expect(JSON.parse(raised.jsonResult)).toEqual({ Error: message });
  });

  it('takes the transaction id of the message, else of the metadata, else none', async () => {
    const seen: string[] = [];
    gateway.define('tid', '1', ({ tid, settle }) => {
      seen.push(tid);
      settle({});
    });
    const metadata = new Metadata();
    metadata.set('x-iluvatar-tid', 'of-metadata');
    metadata.set('trace-bin', Buffer.from([0, 1, 255]));
    await called(client.invoke, client, request('tid', '{}', 'of-message'), {}, metadata);
    await invoke('tid', '{}', {}, metadata);
    await invoke('tid');
    expect(seen).toEqual(['of-message', 'of-metadata', '']);
    const odd = await failure(called(client.invoke, client, request('tid', '{}', 'two words')));
    expect(odd.code).toBe(status.INVALID_ARGUMENT);
  });

  it('carries large arguments and results, and says when they are too large', async () => {
    const large = stage.client(edge.port, LARGE);
    for (const size of [5_000, 1024 * 1024, 20 * 1024 * 1024]) {
      const args = JSON.stringify('ü'.repeat(size / 2));
      const answer = await called(large.invoke, large, request('echo', args));
      expect(answer.jsonResult === args).toBe(true);
    }
    const over = await failure(called(large.invoke, large, request('echo', 'x'.repeat(65 * 1024 * 1024))));
    expect(over.code).toBe(status.RESOURCE_EXHAUSTED);
  });

  it('reads and writes gzip', async () => {
    const zipped = stage.client(edge.port, { 'grpc.default_compression_algorithm': compressionAlgorithms.gzip });
    const args = JSON.stringify('y'.repeat(100_000));
    expect((await called(zipped.invoke, zipped, request('echo', args))).jsonResult).toBe(args);
  });

  it('runs a thousand at once on one connection', async () => {
    const calls = Array.from({ length: 1000 }, (_, n) => invoke('hold', String(n)));
    await eventually(() => gateway.held.size === 1000);
    for (const held of gateway.held.values()) held.settle({ payload: Buffer.from(held.args) });
    expect((await Promise.all(calls)).map(({ jsonResult }) => jsonResult)).toEqual(calls.map((_, n) => String(n)));
    expect(edge.connections).toBe(1);
  });
});

describe('deadlines and cancellation', () => {
  it("gives the invocation the caller's deadline, unless the function's own is earlier", async () => {
    const given: number[] = [];
    gateway.define('when', '1', ({ timeoutMs, settle }) => {
      given.push(timeoutMs);
      settle({});
    });
    await invoke('when');
    await invoke('when', '{}', inMs(30_000));
    await invoke('when', '{}', inMs(3_600_000));
    expect(given[0]).toBe(0);
    expect(given[1]).toBeGreaterThan(10_000);
    expect(given[1]).toBeLessThanOrEqual(30_000);
    expect(given[2]).toBe(0);
  });

  it("answers DEADLINE_EXCEEDED when the caller's has passed, and success=false when the function's has", async () => {
    gateway.define('late', '1', ({ settle }) => settle({ errorClass: 'timeout', message: 'too late', payload: null }));
    const passed = await failure(invoke('late', '{}', inMs(30_000)));
    expect(passed.code).toBe(status.DEADLINE_EXCEEDED);
    expect(passed.details).toContain('has passed');
    expect(await invoke('late')).toMatchObject({ success: false, jsonResult: '{"Error":"too late"}' });
  });

  it('keeps the deadline of slow calls itself', async () => {
    gateway.answer = () => new Promise(() => {});
    const passed = await failure(called(client.status, client, { transactionId: '', details: false }, inMs(50)));
    expect(passed.code).toBe(status.DEADLINE_EXCEEDED);
  });

  it('gives up what its caller cancels', async () => {
    const call = client.invoke(request('hold'), () => {});
    await eventually(() => gateway.held.size === 1);
    call.cancel();
    await eventually(() => gateway.abandoned.length === 1);
  });
});

describe('the control plane', () => {
  it('has the status code, class and details of a failure', async () => {
    gateway.answer = async () => {
      throw new IluvatarError('unavailable', 'the worker is draining: 100 %', { retryAfterMs: 50 });
    };
    const error = await failure(called(client.clean, client, { transactionId: '' }));
    expect(error).toMatchObject({ code: status.UNAVAILABLE, details: 'the worker is draining: 100 %' });
    expect(error.metadata.get('iluvatar-error-class')).toEqual(['unavailable']);
    const [details] = error.metadata.get('iluvatar-error-details-bin');
    expect(JSON.parse(String(details))).toEqual({ retryAfterMs: 50 });
  });

  it('tells nothing of a defect', async () => {
    gateway.answer = async () => {
      throw new TypeError('secret');
    };
    const error = await failure(called(client.clean, client, { transactionId: '' }));
    expect(error.code).toBe(status.INTERNAL);
    expect(error.details).not.toContain('secret');
  });

  it('registers an image for the backends of the isolation bits, and a definition as it is', async () => {
    gateway.answer = async ({ params }) => params.definition;
    const empty = RegisterRequest.decode(new Uint8Array());
    const image = {
      ...empty,
      ...{ functionName: 'f', functionVersion: '1', imageName: 'docker.io/a/b', memory: 100, cpus: 1 },
      ...{ parallelInvokes: 1, compute: 1, isolate: 2, containerServer: 1 },
    };
    expect(await called(client.register, client, image)).toMatchObject({ success: true, fqdn: 'f-1', error: '' });
    const own = { ...empty, functionName: 'g', definitionJson: '{"memoryMb":64}', archive: Buffer.from('tar') };
    expect(await called(client.register, client, own)).toMatchObject({ success: true, fqdn: 'g-1' });
    const [first, second] = gateway.calls;
    expect(first?.params).toMatchObject({
      definition: { image: 'docker.io/a/b', backends: ['docker'], server: 'legacy-socket', memoryMb: 100 },
      replace: false,
    });
    expect(second?.params).toMatchObject({ definition: { name: 'g', memoryMb: 64 } });
    expect(Buffer.from(second?.body as Uint8Array).toString()).toBe('tar');
    for (const broken of [{ definitionJson: '{' }, { definitionJson: '[]' }, { archive: Buffer.from('x') }]) {
      const answer = await called(client.register, client, { ...empty, ...broken });
      expect(answer).toMatchObject({ success: false, errorClass: 'invalid' });
    }
  });

  it('refuses a second registration of one name unless it is to replace the first', async () => {
    gateway.answer = async ({ params }) => params.definition;
    const again = {
      ...RegisterRequest.decode(new Uint8Array()),
      ...{ functionName: 'echo', functionVersion: '1', imageName: 'a', memory: 100, cpus: 1, parallelInvokes: 1 },
      ...{ compute: 1, isolate: 1 },
    };
    const refused = await called(client.register, client, again);
    expect(refused).toMatchObject({ success: false, errorClass: 'conflict', fqdn: '' });
    expect(refused.error).toBe('Function echo-1 is already registered!');
    expect(await called(client.register, client, { ...again, replace: true })).toMatchObject({ success: true });
  });

  it('takes no paths of the host where others than the host reach it', async () => {
    const open = await stage.edge(gateway, { address: '0.0.0.0' });
    const far = stage.client(open.port);
    const empty = RegisterRequest.decode(new Uint8Array());
    for (const definitionJson of ['{"name":"f","source":"/etc"}', '{"name":"f","image":"/tmp/image.tar"}']) {
      const answer = await called(far.register, far, { ...empty, definitionJson });
      expect(answer).toMatchObject({ success: false, errorClass: 'invalid' });
      expect(answer.error).toContain('loopback');
    }
    expect(gateway.calls).toEqual([]);
  });

  it('prewarms each device that is asked for, and says how far it came', async () => {
    gateway.answer = async ({ params }) => {
      if (params.device === 'gpu') throw new IluvatarError('invalid', 'no gpu');
      return { containers: 1, attempts: 2 };
    };
    const asked = { functionName: 'f', functionVersion: '1', transactionId: '', compute: 1, count: 0 };
    expect(await called(client.prewarm, client, asked)).toMatchObject({ success: true, containers: 1, attempts: 2 });
    const both = await called(client.prewarm, client, { ...asked, compute: 3, count: 4 });
    expect(both).toMatchObject({ success: false, containers: 1, message: '{"Error":"no gpu"}' });
    expect(gateway.calls.at(-1)?.params).toMatchObject({ device: 'gpu', count: 4 });
    expect(await called(client.prewarm, client, { ...asked, compute: 8 })).toMatchObject({ success: false });
  });

  it('estimates by name, 0 for what is not registered', async () => {
    gateway.answer = async ({ params }) => ({ estimates: (params.functions as unknown[]).map((_, n) => n + 0.5) });
    const fqdns = ['echo-1', 'nothing-1', 'hold/1'];
    expect(await called(client.estInvokeTime, client, { fqdns, transactionId: '' })).toEqual({
      estTime: [0.5, 0, 1.5],
    });
    expect(await called(client.estInvokeTime, client, { fqdns: ['x'], transactionId: '' })).toEqual({ estTime: [0] });
    expect(await called(client.estInvokeTime, client, { fqdns: [], transactionId: '' })).toEqual({ estTime: [] });
  });

  it('accepts and looks up asynchronous invocations', async () => {
    const about = { name: 'f', version: '1', attempts: 1, acceptedAt: 0, finishedAt: null, error: null, result: null };
    const phases = { queueUs: 1, startUs: 2, runUs: 3, throttledUs: 0 };
    const result = {
      result: { a: 1 },
      tid: 't',
      containerState: 'prewarm',
      device: 'gpu',
      phases,
      attempts: 1,
      stdout: '',
      stderr: '',
    };
    const error = { errorClass: 'crashed', message: 'went', details: null };
    const kept: Record<string, unknown> = {
      waits: { ...about, id: 'waits', status: 'queued' },
      done: { ...about, id: 'done', status: 'done', result },
      dead: { ...about, id: 'dead', status: 'dead', error },
    };
    gateway.answer = async ({ method, params }) => {
      if (method === 'invokeAsync') return { id: 'cookie' };
      const found = kept[params.id as string];
      if (found === undefined) throw new IluvatarError('not_found', 'no such invocation');
      return found;
    };
    const asked = { ...request('echo', '{"a":1}', 'tx'), idempotencyKey: 'key' };
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const metadata = new Metadata();
    metadata.set('traceparent', traceparent);
    metadata.set('tracestate', 'vendor=1');
    expect(await called(client.invokeAsync, client, asked, {}, metadata)).toMatchObject({
      lookupCookie: 'cookie',
      success: true,
    });
    const trace = { traceparent, tracestate: 'vendor=1' };
    expect(gateway.calls[0]?.params).toMatchObject({ name: 'echo', tid: 'tx', idempotencyKey: 'key', ...trace });
    const look = (lookupCookie: string, details = false) =>
      called(client.invokeAsyncCheck, client, { lookupCookie, transactionId: '', details, waitMs: 0 });
    expect(await look('waits')).toMatchObject({
      jsonResult: '{ "Status": "Invocation not completed" }',
      success: false,
    });
    for (let again = 0; again < 2; again++) {
      expect(await look('done')).toMatchObject({
        jsonResult: '{"a":1}',
        success: true,
        durationUs: 3,
        compute: 2,
        containerState: ContainerState.PREWARM,
        worker: '',
      });
    }
    expect(await look('dead', true)).toMatchObject({
      success: false,
      jsonResult: '{"Error":"went"}',
      errorClass: 'crashed',
    });
    expect((await failure(look('nothing'))).code).toBe(status.NOT_FOUND);
  });
});

describe('the standard services', () => {
  const plain = credentials.createInsecure();

  it('tells the health of each service, and its changes to those who watch', async () => {
    let healthy = true;
    gateway.answer = async () => ({ healthy });
    const health = new HealthClient(`127.0.0.1:${edge.port}`, plain);
    stage.atEnd(() => health.close());
    const check = (service: string) =>
      new Promise((resolve) => health.check({ service }, (error, answer) => resolve(error?.code ?? answer?.status)));
    const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = HealthCheckResponse_ServingStatus;
    expect(await check('')).toBe(SERVING);
    expect(await check('iluvatar_rpc.IluvatarWorker')).toBe(SERVING);
    expect(await check('no.Such')).toBe(status.NOT_FOUND);
    const told: number[] = [];
    const watch = health.watch({ service: '' });
    watch.on('data', (answer) => told.push(answer.status)).on('error', () => {});
    await eventually(() => told.length === 1);
    healthy = false;
    await eventually(() => told.length === 2);
    expect(told).toEqual([SERVING, NOT_SERVING]);
    expect(await check('')).toBe(NOT_SERVING);
    watch.cancel();
    const unknown = health.watch({ service: 'no.Such' });
    unknown.on('error', () => {});
    expect(await new Promise((resolve) => unknown.once('data', (answer) => resolve(answer.status)))).toBe(
      SERVICE_UNKNOWN,
    );
    unknown.cancel();
  });

  it.each([
    ['v1', v1.ServerReflectionClient],
    ['v1alpha', v1alpha.ServerReflectionClient],
  ] as const)('tells its descriptors by reflection %s', async (_version, Client) => {
    const reflection = new Client(`127.0.0.1:${edge.port}`, plain);
    stage.atEnd(() => reflection.close());
    const stream = reflection.serverReflectionInfo();
    const answers: v1.ServerReflectionResponse[] = [];
    stream.on('data', (answer) => answers.push(answer));
    const none = { host: '' };
    for (const asked of [
      { listServices: '*' },
      { fileContainingSymbol: 'iluvatar_rpc.IluvatarWorker' },
      { fileContainingSymbol: 'iluvatar_rpc.IluvatarWorker.invoke' },
      { fileContainingSymbol: 'iluvatar_rpc.ContainerState.WARM' },
      { fileByFilename: 'iluvatar_rpc.proto' },
      { fileContainingSymbol: 'iluvatar_rpc.Nothing' },
      { fileByFilename: 'nothing.proto' },
      { allExtensionNumbersOfType: 'iluvatar_rpc.InvokeRequest' },
      { fileContainingExtension: { containingType: 'iluvatar_rpc.InvokeRequest', extensionNumber: 1 } },
      {},
    ]) {
      stream.write({ ...none, ...asked } as never);
    }
    await new Promise((resolve) => {
      stream.on('end', resolve);
      stream.end();
    });
    const [services, service, method, value, byName, noSymbol, noFile, numbers, extension, nothing] = answers;
    expect(services?.listServicesResponse?.service.map(({ name }) => name)).toEqual([
      'iluvatar_rpc.IluvatarWorker',
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
    ]);
    const file = byName?.fileDescriptorResponse?.fileDescriptorProto[0] as Buffer;
    expect(file.includes('InvokeRequest')).toBe(true);
    for (const found of [service, method]) expect(found?.fileDescriptorResponse?.fileDescriptorProto).toEqual([file]);
    expect(value?.errorResponse?.errorCode ?? 0).toBe(0);
    for (const missing of [noSymbol, noFile, extension])
      expect(missing?.errorResponse?.errorCode).toBe(status.NOT_FOUND);
    expect(numbers?.allExtensionNumbersResponse?.baseTypeName).toBe('iluvatar_rpc.InvokeRequest');
    expect(nothing?.errorResponse?.errorCode).toBe(status.INVALID_ARGUMENT);
  });
});
