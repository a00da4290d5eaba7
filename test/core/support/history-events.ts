import fc from 'fast-check';
import type { Device, MemoryPolicy } from '../../../src/core/function.js';
import type { GpuOptions } from '../../../src/core/resources/gpu-options.js';
import type { PowerCapOptions } from '../../../src/core/resources/power-cap.js';

/** What random histories of an engine are made of: functions, events, and the machine that they happen on. */

export const QUEUE_LIMIT = 6;
export const CPU_SLOTS = 3;
export const MEMORY_MB = 500;
export const LIMITS = { memoryMb: MEMORY_MB, bufferMb: 0, queueLimit: QUEUE_LIMIT, dropAbandoned: true, bypassUs: 50 };

export const functionArbitrary = fc.record({
  memoryMb: fc.constantFrom(50, 100, 200, 500),
  memoryPolicy: fc.constantFrom<MemoryPolicy[]>('kill', 'grow', 'grow', 'none'),
  cpus: fc.constantFrom(0.1, 0.5, 1, 3),
  concurrency: fc.constantFrom(1, 1, 2, 3),
  maxContainers: fc.constantFrom(null, null, 1, 2),
  queueLimit: fc.constantFrom(null, null, 0, 2),
  retries: fc.constantFrom(0, 1, 3),
  createAttempts: fc.constantFrom(1, 1, 2, 3),
  backends: fc.constantFrom(['model'], ['model'], ['second', 'model'], ['model', 'second', 'third']),
  keepAliveMs: fc.constantFrom(null, 10, 500),
});

/** Functions of a worker with GPUs, most of which can use one. */
export const gpuFunctionArbitrary = fc
  .tuple(
    functionArbitrary,
    fc.record(
      {
        devices: fc.constantFrom<Device[]>(['cpu'], ['gpu'], ['cpu', 'gpu'], ['gpu', 'cpu']),
        gpuMemoryMb: fc.constantFrom(10, 50, 100),
      },
      { requiredKeys: ['devices'] },
    ),
  )
  .map(([common, own]) => ({ ...common, ...own }));

/** What can happen to GPUs and slots besides. */
export const GPU_EVENTS = ['gpu lost', 'gpu found', 'gpu busy', 'gpu idle', 'load', 'gpu prewarm'];
export const GPUS: GpuOptions = {
  count: 2,
  memoryMb: 100,
  perFunctionMemoryMb: 30,
  slots: 3,
  concurrency: 2,
  utilizationLimit: 90,
  utilizationHoldMs: 50,
  sharedMemory: false,
};

/** Functions of which some need an address, of a worker that has few. */
export const addressedArbitrary = fc
  .tuple(functionArbitrary, fc.boolean())
  .map(([common, needsAddress]) => ({ ...common, needsAddress }));
export const ADDRESSES = 3;

export const POWER_EVENTS = ['power', 'another cap', 'measured time', 'measured time'];
export const powerArbitrary = fc.record({
  watts: fc.constantFrom(5, 15, 30),
  version: fc.constantFrom<PowerCapOptions['version'][]>('projected', 'projected', 'v0', 'v1'),
  periodUs: fc.constantFrom(1000, 100_000),
  maxHoldUs: fc.constantFrom(1, 50_000, 1e9),
  staleUs: fc.constantFrom(1000, 1e9),
  whenStale: fc.constantFrom<PowerCapOptions['whenStale'][]>('assume-free', 'assume-busy', 'ignore'),
});

export const eventArbitrary = fc.record({
  kind: fc.constantFrom(
    'invoke',
    'invoke',
    'invoke',
    'invoke',
    'ready',
    'ready',
    'complete',
    'complete',
    'complete',
    'gone',
    'gone',
    'user error',
    'out of memory',
    'start failed',
    'lost race',
    'not able',
    'exit',
    'exit for a while',
    'exit while creating',
    'late',
    'time',
    'long time',
    'abandon',
    'prewarm',
    'clean',
    'unregister',
    'measured',
    'complete over memory',
    'pressure',
    'adopt',
    'adopt on a gpu',
  ),
  pick: fc.nat(1000),
});

export const gpuEventArbitrary = fc.oneof(
  { weight: 5, arbitrary: eventArbitrary },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom(...GPU_EVENTS), pick: fc.nat(1000) }) },
);

export type Event = { kind: string; pick: number };
