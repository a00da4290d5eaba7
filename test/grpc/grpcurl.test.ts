import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../support/requirement.js';
import { needsGo } from '../support/toolchain.js';
import { goProgram } from './tools/go-program.js';
import { type GrpcWorker, startGrpcWorker } from './worker-stage.js';

const BUILD_MS = 900_000;
const SERVICE = 'iluvatar_rpc.IluvatarWorker';

const run = promisify(execFile);

/** grpcurl knows our services by reflection alone. */
describeWith({ condition: needsGo() }, 'grpcurl', () => {
  let grpcurl: string;
  let worker: GrpcWorker;

  beforeAll(async () => {
    grpcurl = await goProgram('grpcurl');
    worker = await startGrpcWorker();
    await worker.fixture.worker.register({ name: 'echo', source: worker.echo });
    await worker.fixture.worker.register({ name: 'sleep', source: worker.sleep });
  }, BUILD_MS);
  afterAll(async () => await worker?.[Symbol.asyncDispose]());

  const ask = async (...args: string[]): Promise<string> =>
    (await run(grpcurl, ['-plaintext', worker.address, ...args])).stdout;

  const call = async (method: string, message: object, ...options: string[]): Promise<Record<string, unknown>> => {
    const args = ['-plaintext', ...options, '-d', JSON.stringify(message), worker.address, method];
    return JSON.parse((await run(grpcurl, args)).stdout);
  };

  const failure = async (method: string, message: object, ...options: string[]): Promise<string> => {
    const error = await call(method, message, ...options).then(
      () => null,
      (reason: { stderr?: string }) => reason,
    );
    expect(error).not.toBeNull();
    return error?.stderr ?? '';
  };

  it('lists services and describes methods and messages', async () => {
    const services = (await ask('list')).trim().split('\n');
    expect(services).toEqual(expect.arrayContaining(['grpc.health.v1.Health', SERVICE]));
    const methods = (await ask('list', SERVICE)).trim().split('\n');
    expect(methods).toHaveLength(11);
    expect(methods).toContain(`${SERVICE}.invoke_async_check`);
    const described = await ask('describe', 'iluvatar_rpc.InvokeResponse');
    expect(described).toContain('string json_result = 1;');
    expect(described).toContain('.iluvatar_rpc.ContainerState container_state = 5;');
  });

  it('invokes, and shows enums by their names', async () => {
    const message = { function_name: 'echo', function_version: '1', json_args: '{"a":1}' };
    const found = await call(`${SERVICE}/invoke`, message);
    expect(found).toMatchObject({ success: true, compute: 1, containerState: 'COLD' });
    expect(JSON.parse(found['jsonResult'] as string)).toEqual({ a: 1 });
  });

  it('invokes asynchronously', async () => {
    const message = { function_name: 'echo', function_version: '1', json_args: '{"b":2}' };
    const { lookupCookie } = await call(`${SERVICE}/invoke_async`, message);
    const done = await call(`${SERVICE}/invoke_async_check`, { lookup_cookie: lookupCookie, wait_ms: 20_000 });
    expect(done).toMatchObject({ success: true });
  });

  it('says codes and messages of errors', async () => {
    const lost = await failure(`${SERVICE}/invoke_async_check`, { lookup_cookie: 'none' });
    expect(lost).toContain('Code: NotFound');
    const message = { function_name: 'sleep', function_version: '1', json_args: '{"seconds":60}' };
    const late = await failure(`${SERVICE}/invoke`, message, '-max-time', '0.5');
    expect(late).toContain('DeadlineExceeded');
  });

  it('checks health, of all and of a service', async () => {
    expect(await call('grpc.health.v1.Health/Check', {})).toEqual({ status: 'SERVING' });
    expect(await call('grpc.health.v1.Health/Check', { service: SERVICE })).toEqual({ status: 'SERVING' });
    expect(await failure('grpc.health.v1.Health/Check', { service: 'other' })).toContain('Code: NotFound');
  });
});
