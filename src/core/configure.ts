import type { Clock } from './clock.js';
import type { AdjustableOptions, EngineOptions } from './engine/options.js';
import { IluvatarError } from './errors.js';
import type { Payload } from './invocation.js';
import { cpuQueuePolicies, dispatchPolicies, evictionPolicies, gpuQueuePolicies } from './policies.js';
import { createPolicy, type PolicyContext, type PolicyEntry, type PolicyParameters } from './policy.js';
import type { EvictionPolicy } from './pool/eviction/eviction-policy.js';
import type { ContainerPort, EngineLog } from './ports.js';
import { seededRandom } from './random.js';

export interface PolicyChoice {
  readonly policy: string;
  readonly parameters: PolicyParameters;
}

/** What a user may set of an engine. The worker's configuration has this shape and more; a simulation has it too. Meanings and defaults: docs/config.md. */
export interface EngineSettings {
  readonly seed: number;
  readonly cpu: {
    readonly slots: number;
    readonly bypassMs: number;
    readonly oversubscribe: { readonly maxSlots: number; readonly maxLoad: number };
  };
  readonly memory: { readonly budgetMb: number; readonly bufferMb: number };
  readonly network: { readonly bridges: number; readonly portsPerBridge: number };
  readonly queue: PolicyChoice & { readonly limit: number; readonly dropAbandoned: boolean };
  readonly dispatch: PolicyChoice;
  readonly create: {
    readonly attempts: number;
    readonly backOffMs: number;
    readonly maxBackOffMs: number;
    readonly jitter: number;
    readonly fallBack: boolean;
    readonly breaker: { readonly failures: number; readonly openMs: number };
  };
  readonly keepAlive: PolicyChoice & { readonly ttlMs: number };
  readonly gpu: {
    readonly count: number;
    readonly memoryMb: number;
    readonly perFunctionMemoryMb: number;
    readonly slots: number;
    readonly concurrency: number;
    readonly utilizationLimit: number;
    readonly utilizationHoldMs: number;
    readonly sharedMemory: boolean;
    readonly queue: PolicyChoice;
    readonly keepAlive: PolicyChoice;
  };
}

/** What the engine's owner has to give it, and what stands for a setting of 0. */
export interface EngineOwner {
  readonly clock: Clock;
  readonly port: ContainerPort;
  readonly backends: readonly string[];
  readonly cores: number;
  readonly machineMemoryMb: number;
  readonly cancelGraceUs: number;
  readonly discard: (payload: Payload) => void;
  readonly log: EngineLog;
}

/** Of one seed. The eviction of each GPU has a stream of its own, counted from the CPU's up. */
const STREAMS = { 'cpu-queue': 1, 'gpu-queue': 2, dispatch: 3, eviction: 4, creation: 1000 };

/** Throws IluvatarError `invalid` for a policy that does not exist or parameters that it cannot take. */
export function configureEngine(settings: EngineSettings, owner: EngineOwner): EngineOptions {
  const { cores, machineMemoryMb, ...given } = owner;
  const { cpu, network, queue, dispatch, keepAlive, gpu, seed, create: creation } = settings;
  const cpuSlots = cpu.slots === 0 ? cores : cpu.slots;
  const context = (stream: number, parallelism: number): PolicyContext => ({
    random: seededRandom(seed, stream),
    parallelism,
  });
  const tokens = gpu.concurrency * gpu.count;
  const eviction = (device: number): EvictionPolicy => {
    const choice = device < 0 ? keepAlive : gpu.keepAlive;
    // The one parameter with a key of its own, which is older and shorter.
    const parameters =
      choice.policy === 'ttl' ? { keepAliveMs: keepAlive.ttlMs, ...choice.parameters } : choice.parameters;
    return create(evictionPolicies, { ...choice, parameters }, context(STREAMS.eviction + device + 1, cpuSlots));
  };
  return {
    ...given,
    queues: {
      cpu: create(cpuQueuePolicies, queue, context(STREAMS['cpu-queue'], cpuSlots)),
      gpu: create(gpuQueuePolicies, gpu.queue, context(STREAMS['gpu-queue'], tokens)),
    },
    eviction,
    dispatch: create(dispatchPolicies, dispatch, context(STREAMS.dispatch, tokens)),
    create: {
      attempts: creation.attempts,
      backOffUs: creation.backOffMs * 1000,
      maxBackOffUs: creation.maxBackOffMs * 1000,
      jitter: creation.jitter,
      fallBack: creation.fallBack,
      breaker: { failures: creation.breaker.failures, openUs: creation.breaker.openMs * 1000 },
      random: seededRandom(seed, STREAMS.creation),
    },
    gpu,
    cpuSlots,
    ...adjustableOptions(settings, machineMemoryMb),
    oversubscription: cpu.oversubscribe.maxSlots > cpuSlots ? cpu.oversubscribe : null,
    addresses: network.bridges * network.portsPerBridge,
  };
}

/** The part that can be given to a running engine, too (`Engine.adjust`). */
export function adjustableOptions(
  { cpu, memory, queue }: Pick<EngineSettings, 'cpu' | 'memory' | 'queue'>,
  machineMemoryMb: number,
): AdjustableOptions {
  return {
    bypassUs: cpu.bypassMs * 1000,
    memoryMb: memory.budgetMb === 0 ? Math.floor(machineMemoryMb * 0.8) : memory.budgetMb,
    bufferMb: memory.bufferMb,
    queueLimit: queue.limit,
    dropAbandoned: queue.dropAbandoned,
  };
}

function create<Policy>(
  family: Readonly<Record<string, PolicyEntry<Policy>>>,
  choice: PolicyChoice,
  context: PolicyContext,
): Policy {
  const entry = family[choice.policy];
  if (entry !== undefined) return createPolicy(entry, choice.parameters, context);
  const names = Object.keys(family).join(', ');
  throw new IluvatarError('invalid', `there is no policy "${choice.policy}" here; there are: ${names}`);
}
