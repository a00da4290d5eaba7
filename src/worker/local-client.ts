import type { InvokeOptions, InvokeResult, MethodName } from '../config/api.js';
import { IluvatarError } from '../core/errors.js';
import type { Gateway, GatewayResult, GatewaySink } from '../server/gateway.js';
import { aboutOf, takeText, toInvokeResult } from './async/payload.js';

/** What the library needs of a worker, wherever its shard runs: over the unix socket (`Client`) or in this thread (`LocalClient`). */
export interface WorkerConnection {
  invoke<T>(name: string, args: unknown, options: InvokeOptions): Promise<InvokeResult<T>>;
  call(
    method: MethodName,
    params: Record<string, unknown>,
    body?: Uint8Array | null,
    progress?: ((line: string) => void) | null,
  ): Promise<unknown>;
  close(): void;
}

/** Calls a shard on the same thread: no socket, no copy, one promise per invocation. */
export class LocalClient implements WorkerConnection {
  readonly #gateway: Gateway;

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  invoke<T>(name: string, args: unknown, options: InvokeOptions): Promise<InvokeResult<T>> {
    const gateway = this.#gateway;
    return new Promise((resolve, reject) => {
      const { signal } = options;
      if (signal?.aborted === true) {
        reject(new IluvatarError('cancelled', 'the invocation was aborted before it began'));
        return;
      }
      const handle = gateway.resolve(name, options.version ?? '1');
      let id = 0;
      const abandon = (): void => gateway.abandon(id);
      const sink: GatewaySink = {
        settled(result) {
          signal?.removeEventListener('abort', abandon);
          try {
            resolve(unwrap<T>(gateway, result));
          } catch (error) {
            reject(error);
          }
        },
      };
      const { timeoutMs = 0, tid = '', traceparent, tracestate } = options;
      id = gateway.invoke(handle, JSON.stringify(args ?? {}), timeoutMs, tid, sink, traceparent, tracestate);
      if (id !== 0) signal?.addEventListener('abort', abandon, { once: true });
    });
  }

  call(
    method: MethodName,
    params: Record<string, unknown>,
    body: Uint8Array | null = null,
    progress: ((line: string) => void) | null = null,
  ): Promise<unknown> {
    return this.#gateway.call(method, params, body, progress ?? (() => {}));
  }

  close(): void {}
}

function unwrap<T>(gateway: Gateway, result: GatewayResult): InvokeResult<T> {
  const text = takeText(result.payload, gateway);
  if (result.errorClass !== null) {
    throw new IluvatarError(result.errorClass, result.message ?? result.errorClass, result.details ?? {});
  }
  return toInvokeResult(aboutOf(result), text) as InvokeResult<T>;
}
