import {
  cpuQueuePolicies,
  createPolicy,
  dispatchPolicies,
  type EngineSettings,
  evictionPolicies,
  gpuQueuePolicies,
  IluvatarError,
  type PolicyChoice,
  type PolicyEntry,
  type PolicyParameter,
  type PolicyParameterValue,
} from '../../core/index.js';
import type { Draw } from './draw.js';

/** A worker of any kind: every policy there is, with parameters that it takes, and resources so scarce that there is something to decide. */
export function chooseSettings(draw: Draw, seed: number): EngineSettings {
  const slots = draw.of([1, 2, 3, 4, 8, 16]);
  return {
    seed,
    cpu: {
      slots,
      bypassMs: draw.chance(0.25) ? draw.of([1, 20, 1000]) : 0,
      oversubscribe: { maxSlots: draw.chance(0.3) ? slots + draw.whole(1, 8) : 0, maxLoad: draw.magnitude(0.2, 3) },
    },
    memory: {
      budgetMb: draw.of([300, 500, 1000, 2000, 4000]),
      bufferMb: draw.chance(0.25) ? draw.of([50, 100, 300]) : 0,
    },
    queue: {
      ...choosePolicy(draw, cpuQueuePolicies),
      limit: draw.of([0, 5, 20, 50, 100, 200]),
      dropAbandoned: draw.chance(0.8),
    },
    dispatch: choosePolicy(draw, dispatchPolicies),
    create: {
      attempts: draw.of([1, 2, 3, 5]),
      backOffMs: draw.of([0, 1, 50, 1000]),
      maxBackOffMs: draw.of([0, 50, 5000]),
      jitter: draw.of([0, 0.5, 1]),
      fallBack: draw.chance(0.8),
      breaker: { failures: draw.of([1, 2, 3]), openMs: draw.of([0, 10, 1000]) },
    },
    keepAlive: { ...choosePolicy(draw, evictionPolicies), ttlMs: draw.of([0, 10, 200, 5000, 600_000]) },
    gpu: {
      count: draw.of([0, 1, 2, 2]),
      memoryMb: draw.of([200, 1000, 4000]),
      perFunctionMemoryMb: draw.of([0, 0, 50, 200]),
      slots: draw.of([1, 2, 4, 16]),
      concurrency: draw.of([1, 1, 2, 4]),
      utilizationLimit: draw.chance(0.2) ? draw.whole(1, 99) : 0,
      utilizationHoldMs: draw.of([0, 10, 1000, 10_000]),
      sharedMemory: draw.chance(0.3),
      queue: choosePolicy(draw, gpuQueuePolicies),
      keepAlive: choosePolicy(draw, evictionPolicies),
    },
    network: { bridges: draw.of([1, 2]), portsPerBridge: draw.of([1, 2, 4, 1000]) },
  };
}

function choosePolicy<Policy>(draw: Draw, family: Readonly<Record<string, PolicyEntry<Policy>>>): PolicyChoice {
  const policy = draw.of(Object.keys(family));
  const entry = family[policy] as PolicyEntry<Policy>;
  const parameters: Record<string, PolicyParameterValue> = {};
  for (const parameter of entry.parameters) {
    if (draw.chance(0.5)) parameters[parameter.name] = chooseParameter(draw, parameter);
  }
  return { policy, parameters: accepts(entry, parameters) ? parameters : {} };
}

/** Some parameters rule each other out, which only the policy knows. */
function accepts<Policy>(entry: PolicyEntry<Policy>, parameters: PolicyChoice['parameters']): boolean {
  try {
    createPolicy(entry, parameters, { random: () => 0, parallelism: 1 });
    return true;
  } catch (error) {
    if (error instanceof IluvatarError && error.errorClass === 'invalid') return false;
    throw error;
  }
}

function chooseParameter(draw: Draw, parameter: PolicyParameter): PolicyParameterValue {
  const { choices, min = 0, max = Number.POSITIVE_INFINITY } = parameter;
  const standard = parameter.default;
  if (choices !== undefined) return draw.of(choices);
  if (typeof standard === 'boolean') return draw.chance(0.5);
  if (typeof standard !== 'number' || !Number.isFinite(standard)) return standard;
  if (draw.chance(0.2)) return min;
  if (draw.chance(0.1) && Number.isFinite(max)) return max;
  const near = standard === 0 ? draw.whole(0, 10) : standard * draw.magnitude(0.1, 4);
  return Math.min(max, Math.max(min, Number.isInteger(standard) ? Math.round(near) : near));
}
