import type { FunctionSpec } from '../../src/core/index.js';

/** A function for benches of the engine and its policies: small, alone in its container, without limits of its own. */
export function functionSpec(over: Partial<FunctionSpec> = {}): FunctionSpec {
  return {
    name: 'f',
    version: '1',
    memoryMb: 10,
    cpus: 1,
    concurrency: 1,
    maxContainers: null,
    queueLimit: null,
    timeoutMs: 60_000,
    keepAliveMs: null,
    retries: 0,
    devices: ['cpu'],
    backends: ['none'],
    ...over,
  };
}
