import type { WorkerConfigInput } from '../../src/index.js';
import { WorkerFixture } from '../worker/support/worker-fixture.js';

/** What answers its arguments, and what takes the time that it is asked for. */
const ECHO = 'def main(args):\n    return args\n';
const SLEEP = 'import time\n\n\ndef main(args):\n    time.sleep(args["seconds"])\n    return args\n';

export interface GrpcWorker extends AsyncDisposable {
  readonly fixture: WorkerFixture;
  /** host:port */
  readonly address: string;
  /** Folders with the sources of two functions, for clients to register. */
  readonly echo: string;
  readonly sleep: string;
}

/** A worker with the gRPC edge, which speaks to clients of others. */
export async function startGrpcWorker(config: WorkerConfigInput = {}): Promise<GrpcWorker> {
  const grpc = { enabled: true, port: 0, ...config.grpc };
  const fixture = await WorkerFixture.start({ cpu: { slots: 4 }, ...config, http: { enabled: false }, grpc });
  const address = fixture.worker.grpcAddress;
  if (address === null) throw new Error('the worker serves no gRPC');
  return {
    fixture,
    address,
    echo: fixture.source('echo', { 'main.py': ECHO }),
    sleep: fixture.source('sleep', { 'main.py': SLEEP }),
    [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
  };
}
