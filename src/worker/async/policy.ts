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

/** Policies of one worker. Each is made once: it is asked for several times an invocation. */
export class AsyncPolicies {
  readonly #config: AsyncConfig;
  readonly #unregistered: AsyncPolicy;
  readonly #known = new WeakMap<FunctionDefinition, AsyncPolicy>();

  constructor(config: AsyncConfig) {
    this.#config = config;
    this.#unregistered = asyncPolicy(undefined, config);
  }

  /** `definition` undefined = the function is not registered (any more). */
  of(definition: FunctionDefinition | undefined): AsyncPolicy {
    if (definition === undefined) return this.#unregistered;
    let policy = this.#known.get(definition);
    if (policy === undefined) {
      policy = asyncPolicy(definition, this.#config);
      this.#known.set(definition, policy);
    }
    return policy;
  }
}

function asyncPolicy(definition: FunctionDefinition | undefined, config: AsyncConfig): AsyncPolicy {
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
