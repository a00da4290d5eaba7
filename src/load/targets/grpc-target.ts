import { GrpcWorkerClient } from '../../client/grpc/worker-client.js';
import type { PrewarmOptions } from '../../config/api.js';
import { ERROR_CLASSES, type ErrorClass, IluvatarError } from '../../core/errors.js';
import { ContainerState, type InvokeResponse } from '../../rpc/gen/iluvatar_rpc.js';
import type { LoadAnswer, LoadCall, LoadFunction, LoadTarget } from '../target.js';
import { answerOfError } from './answers.js';

const STATES: Readonly<Partial<Record<ContainerState, LoadAnswer['state']>>> = {
  [ContainerState.COLD]: 'cold',
  [ContainerState.PREWARM]: 'prewarm',
  [ContainerState.WARM]: 'warm',
};
const COMPUTE_CPU = 1;
const COMPUTE_GPU = 2;

/** A worker by gRPC, ours or the original: one connection with all calls in flight on it, which is made again when it is lost. */
export class GrpcTarget implements LoadTarget {
  readonly address: string;
  readonly #client: GrpcWorkerClient;

  private constructor(address: string, client: GrpcWorkerClient) {
    this.address = address;
    this.#client = client;
  }

  /** Rejects with `unavailable` when no server answers there. */
  static async open(address: string, maxMessageBytes: number): Promise<GrpcTarget> {
    const client = new GrpcWorkerClient(address, { maxMessageBytes });
    try {
      await client.connected();
      return new GrpcTarget(address, client);
    } catch (error) {
      client.close();
      throw error;
    }
  }

  async register({ definition, archive, replace = false }: LoadFunction): Promise<void> {
    const { name, version = '1' } = definition;
    const answer = await this.#client.register({
      functionName: name,
      functionVersion: version,
      definitionJson: JSON.stringify(definition),
      replace,
      ...(archive === null ? {} : { archive }),
    });
    if (!answer.success) throw new IluvatarError(classOf(answer.errorClass, 'invalid'), answer.error);
  }

  async prewarm(name: string, { version = '1', count = 1, device }: PrewarmOptions): Promise<void> {
    const compute = device === undefined ? 0 : device === 'gpu' ? COMPUTE_GPU : COMPUTE_CPU;
    const answer = await this.#client.prewarm({ functionName: name, functionVersion: version, count, compute });
    if (!answer.success) throw new IluvatarError('start_failed', answer.message);
  }

  async invoke({ name, version, args, tid, timeoutMs }: LoadCall): Promise<LoadAnswer> {
    const request = {
      functionName: name,
      functionVersion: version,
      jsonArgs: args,
      transactionId: tid,
      details: true,
    };
    try {
      return toAnswer(await this.#client.invoke(request, timeoutMs > 0 ? { timeoutMs } : {}), tid);
    } catch (error) {
      return answerOfError(error, tid, '');
    }
  }

  /** How many the wire does not say. */
  async clean(): Promise<number> {
    await this.#client.clean();
    return 0;
  }

  async close(): Promise<void> {
    this.#client.close();
  }
}

function toAnswer(answer: InvokeResponse, askedTid: string): LoadAnswer {
  const { success, jsonResult, compute, containerState, worker } = answer;
  const state = STATES[containerState] ?? null;
  // Only one that says which worker it is also says the rest: the original has no such fields.
  const detailed = worker !== '';
  const ran = state !== null;
  return {
    outcome: success ? 'ok' : classOf(answer.errorClass, ran ? 'user_error' : 'internal'),
    error: success ? '' : answer.errorMessage || jsonResult,
    result: success ? jsonResult : null,
    tid: answer.transactionId || askedTid,
    state,
    queueUs: detailed && ran ? answer.queueUs : -1,
    createUs: detailed && ran ? answer.createUs : -1,
    runUs: ran ? answer.durationUs : -1,
    cpuUs: answer.cpuUs ?? -1,
    energyUj: answer.energyJoules === undefined ? -1 : Math.round(1e6 * answer.energyJoules),
    attempts: answer.attempts,
    worker,
    backend: answer.backend,
    device: compute === COMPUTE_GPU ? 'gpu' : compute === COMPUTE_CPU ? 'cpu' : '',
  };
}

function classOf(name: string, otherwise: ErrorClass): ErrorClass {
  const known = ERROR_CLASSES.find((errorClass) => errorClass === name);
  return known === undefined || known === 'ok' ? otherwise : known;
}
