import type { FunctionDefinition } from '../../config/api.js';
import type { AsyncConfig } from '../../config/sections/async.js';
import type { RetryPolicy } from './invocation-state.js';

/** How the asynchronous invocations of one function are treated: what its definition says, else what the worker's configuration does. */
export interface AsyncPolicy extends RetryPolicy {
  /** In the engine at once. */
  readonly concurrency: number;
  readonly ordered: boolean;
  readonly webhook: string | null;
}

/** `definition` undefined = the function is not registered (any more). */
export function asyncPolicy(definition: FunctionDefinition | undefined, config: AsyncConfig): AsyncPolicy {
  const own = definition?.async;
  const ordered = own?.ordered ?? false;
  return {
    attempts: own?.attempts ?? config.attempts,
    backOffMs: own?.backOffMs ?? config.backOffMs,
    maxBackOffMs: own?.maxBackOffMs ?? config.maxBackOffMs,
    jitter: config.jitter,
    retry: new Set(own?.retry ?? config.retry),
    interruptions: config.interruptions,
    concurrency: ordered ? 1 : (own?.concurrency ?? config.concurrency),
    ordered,
    webhook: own?.webhook ?? null,
  };
}
