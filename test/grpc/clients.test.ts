import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ContainerState } from '../../src/rpc/gen/iluvatar_rpc.js';
import { describeWith, type Requirements } from '../support/requirement.js';
import { needsCargo } from '../support/toolchain.js';
import type { Answer, ClientProcess } from './tools/client-process.js';
import { type ClientMaker, pythonClient, tonicClient } from './tools/clients.js';
import { type GrpcWorker, startGrpcWorker } from './worker-stage.js';

/** A build of an hour's worth on a busy machine is none: it takes a minute or two on an idle one, and happens once. */
const BUILD_MS = 900_000;

const VERSION = '1';
const LARGE = 'x'.repeat(8 * 1024 * 1024);

suite('grpcio of Python', { command: 'python3' }, pythonClient);
suite('tonic', { condition: needsCargo() }, tonicClient);

/** What every client of others must be able to do with a worker. */
function suite(name: string, requirements: Requirements, build: () => Promise<ClientMaker>): void {
  describeWith(requirements, `a client by ${name}`, () => {
    let maker: ClientMaker;
    let worker: GrpcWorker;
    let client: ClientProcess;

    beforeAll(async () => {
      maker = await build();
      worker = await startGrpcWorker();
      client = maker(worker.address);
      await registered(client, worker);
    }, BUILD_MS);
    afterAll(async () => {
      await client?.[Symbol.asyncDispose]();
      await worker?.[Symbol.asyncDispose]();
    });

    const invoke = (args: object, more: object = {}): Promise<Answer> =>
      client.one({ method: 'invoke', message: echo(args), ...more });

    it('registers, and hears why it cannot', async () => {
      const again = await client.one({ method: 'register', message: definition('echo', worker.sleep) });
      expect(again.message).toMatchObject({ success: false, error_class: 'conflict' });
      const { message } = await client.one({ method: 'list_registered_funcs' });
      const functions = message?.['functions'] as { function_name: string }[] | undefined;
      expect(functions?.map((fn) => fn.function_name).sort()).toEqual(['echo', 'sleep']);
    });

    it('invokes cold and warm, with details when it asks for them', async () => {
      await client.one({ method: 'clean' });
      const cold = await invoke({ a: 1 });
      expect(cold.message).toMatchObject({ success: true, compute: 1, container_state: ContainerState.COLD });
      expect(JSON.parse(cold.message?.['json_result'] as string)).toEqual({ a: 1 });
      const asked = { ...echo({}), transaction_id: 'mine', details: true };
      const warm = await client.one({ method: 'invoke', message: asked });
      expect(warm.message).toMatchObject({ success: true, container_state: ContainerState.WARM, attempts: 1 });
      expect(warm.message).toMatchObject({ transaction_id: 'mine', backend: 'process', error_class: '' });
    });

    it('hears of what is not there', async () => {
      const nobody = { function_name: 'nobody', function_version: VERSION, json_args: '{}' };
      const unknown = await client.one({ method: 'invoke', message: nobody });
      expect(unknown.message).toMatchObject({ success: false, container_state: ContainerState.ERROR });
      expect(JSON.parse(unknown.message?.['json_result'] as string)).toEqual({ Error: 'Function was not registered' });
      const cookie = { lookup_cookie: 'ABC' };
      const lost = await client.one({ method: 'invoke_async_check', message: cookie });
      expect(lost).toMatchObject({ code: status.NOT_FOUND, error_class: 'not_found' });
    });

    it('invokes asynchronously, and may read the result twice', async () => {
      const { message } = await client.one({ method: 'invoke_async', message: echo({ later: true }) });
      const check = { lookup_cookie: message?.['lookup_cookie'], wait_ms: 20_000 };
      for (let i = 0; i < 2; i++) {
        const done = await client.one({ method: 'invoke_async_check', message: check });
        expect(done.message).toMatchObject({ success: true });
        expect(JSON.parse(done.message?.['json_result'] as string)).toEqual({ later: true });
      }
    });

    it('asks for everything else', async () => {
      expect((await client.one({ method: 'ping' })).message).toEqual({ message: 'Pong' });
      const prewarm = { function_name: 'echo', function_version: VERSION, compute: 1 };
      expect((await client.one({ method: 'prewarm', message: prewarm })).message).toMatchObject({ success: true });
      expect((await client.one({ method: 'health' })).message).toEqual({ status: 0 });
      const found = await client.one({ method: 'status' });
      expect(found.message).toMatchObject({ worker_name: worker.fixture.worker.config.name });
      const estimate = await client.one({ method: 'est_invoke_time', message: { fqdns: ['echo-1', 'nobody-1'] } });
      expect(estimate.message?.['est_time']).toHaveLength(2);
      expect((await client.one({ method: 'clean' })).message).toEqual({});
    });

    it('fails at its deadline, and may cancel', async () => {
      const message = sleeping(60);
      const late = await client.one({ method: 'invoke', message, timeout_ms: 300 });
      // tonic's own clock, when it is the first, calls it cancelled.
      expect([status.DEADLINE_EXCEEDED, status.CANCELLED]).toContain(late.code);
      // What has begun comes to its end, as everywhere: nobody waits for it.
      const cancelled = await client.one({ method: 'invoke', message: sleeping(2), cancel_after_ms: 300 });
      expect(cancelled.code).toBe(status.CANCELLED);
      await expect.poll(async () => (await worker.fixture.worker.status()).running).toBe(0);
    });

    it('may send metadata and compress', async () => {
      const text = 'y'.repeat(100_000);
      const answer = await invoke({ text }, { gzip: true, metadata: { 'x-request-id': 'a b', authorization: 'c' } });
      expect(answer.message).toMatchObject({ success: true, json_result: JSON.stringify({ text }) });
    });

    it.each([false, true])('sends and receives 8 MiB (gzip: %s)', async (gzip) => {
      const answer = await invoke({ large: LARGE }, { gzip });
      // Not by toEqual, which would print it all.
      expect({ ...answer, message: { success: answer.message?.['success'] } }).toEqual({ message: { success: true } });
      expect(answer.message?.['json_result'] === JSON.stringify({ large: LARGE })).toBe(true);
    });

    it('has a thousand calls open at once', async () => {
      const answers = await client.all({ method: 'invoke', message: echo({ many: true }), copies: 1000 });
      expect(answers.filter(({ message }) => message?.['success'] === true)).toHaveLength(1000);
    });

    it('goes over to the next worker when this one leaves, and loses no call', async () => {
      const running = client.one({ method: 'invoke', message: sleeping(1) });
      await expect.poll(async () => (await worker.fixture.worker.status()).running).toBe(1);
      const port = Number(worker.address.split(':').at(-1));
      await worker[Symbol.asyncDispose]();
      expect((await running).message).toMatchObject({ success: true });
      worker = await startGrpcWorker({ grpc: { port } });
      await expect.poll(async () => (await client.one({ method: 'ping' })).message).toEqual({ message: 'Pong' });
      await registered(client, worker);
      expect((await invoke({ again: 1 })).message).toMatchObject({ success: true });
    });
  });
}

async function registered(client: ClientProcess, worker: GrpcWorker): Promise<void> {
  for (const name of ['echo', 'sleep'] as const) {
    const { message } = await client.one({ method: 'register', message: definition(name, worker[name]) });
    expect(message).toMatchObject({ success: true, fqdn: `${name}-${VERSION}` });
  }
}

function definition(name: string, source: string): Record<string, unknown> {
  return { function_name: name, function_version: VERSION, definition_json: JSON.stringify({ source }) };
}

function echo(args: object): Record<string, unknown> {
  return { function_name: 'echo', function_version: VERSION, json_args: JSON.stringify(args) };
}

function sleeping(seconds: number): Record<string, unknown> {
  return { function_name: 'sleep', function_version: VERSION, json_args: JSON.stringify({ seconds }) };
}
