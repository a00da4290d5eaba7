import { credentials, Metadata } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { IluvatarWorkerClient, type InvokeResponse } from '../../../src/rpc/gen/iluvatar_rpc.js';
import { WorkerFixture } from '../../worker/support/worker-fixture.js';
import { OtlpReceiver } from './support/otlp-receiver.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CALLER = '00f067aa0ba902b7';

it('an invocation over gRPC joins the trace that its metadata names', async () => {
  await using receiver = await OtlpReceiver.start();
  await using fixture = await WorkerFixture.start({
    http: { enabled: false },
    grpc: { enabled: true, port: 0 },
    backends: { process: { enabled: false }, simulated: { enabled: true } },
    defaultBackends: ['simulated'],
    tracing: { enabled: true, endpoint: receiver.endpoint, intervalMs: 10 },
  });
  await fixture.worker.register({ name: 'f', source: fixture.source('f', { 'simulated.json': '{}' }) });
  const client = new IluvatarWorkerClient(`${fixture.worker.grpcAddress}`, credentials.createInsecure());
  const metadata = new Metadata();
  metadata.set('traceparent', `00-${TRACE}-${CALLER}-01`);
  metadata.set('tracestate', 'vendor=1');
  try {
    const request = { functionName: 'f', functionVersion: '1', jsonArgs: '{}', transactionId: 'mine', details: false };
    const answer = await new Promise<InvokeResponse>((resolve, reject) =>
      client.invoke(request, metadata, (error, response) => (error === null ? resolve(response) : reject(error))),
    );
    expect(answer.success).toBe(true);
  } finally {
    client.close();
  }
  const root = (await receiver.take(4)).find(({ name }) => name === 'f');
  expect(root).toMatchObject({ traceId: TRACE, parentId: CALLER, tracestate: 'vendor=1' });
  expect(root?.attributes['faas.invocation_id']).toBe('mine');
});
