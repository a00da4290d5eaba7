import { availableParallelism, totalmem } from 'node:os';
// Not the global of the same name: that is a getter, and the clock is read several times an invocation.
import { performance } from 'node:perf_hooks';
import type { PrewarmResult } from '../config/api.js';
import { energyFault } from '../config/energy-use.js';
import type { WorkerConfig } from '../config/schema.js';
import {
  configureEngine,
  type Device,
  type Engine,
  type EngineOptions,
  type FunctionRecord,
  IluvatarError,
  type PrewarmSink,
} from '../core/index.js';
import type { Log } from '../telemetry/logs/log.js';
import type { Transport } from '../transport/transport.js';
import type { ContainerDriver } from './container-driver.js';

/** What this machine and the configuration give the engine. Throws `invalid` for options that do not go together. */
export function engineOptions(
  config: WorkerConfig,
  port: ContainerDriver,
  backends: string[],
  log: Log,
  transport: Transport,
): EngineOptions {
  const fault = energyFault(config.energy);
  if (fault !== null) throw new IluvatarError('invalid', fault);
  return configureEngine(config, {
    clock: { now },
    port,
    log,
    backends,
    cores: availableParallelism(),
    machineMemoryMb: machineMemoryMb(),
    // The supervisor kills after its own grace; what comes after that, and the way back, is waited for a little longer.
    cancelGraceUs: (config.sandbox.killGraceMs + 300) * 1000,
    discard: (payload) => dropPayload(transport, payload),
  });
}

/** µs from an arbitrary origin; integer. */
export function now(): number {
  return Math.floor(performance.now() * 1000);
}

export function machineMemoryMb(): number {
  return Math.floor(totalmem() / (1024 * 1024));
}

export function dropPayload(transport: Transport, payload: unknown): void {
  if (typeof payload === 'number') transport.drop(payload);
}

/** Resolves when all are ready; rejects with why not. Throws as `Engine.prewarm` does. */
export function prewarmed(engine: Engine, fn: FunctionRecord, count: number, device?: Device): Promise<PrewarmResult> {
  return new Promise((resolve, reject) => {
    const sink: PrewarmSink = {
      settled(ready, failure, attempts) {
        if (failure === null) resolve({ containers: ready, attempts });
        else reject(new IluvatarError(failure.errorClass, failure.message, failure.details ?? {}));
      },
    };
    engine.prewarm(fn, count, sink, device);
  });
}
