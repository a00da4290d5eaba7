import type { FunctionDefinition } from '../../config/api.js';
import type { MemoryPolicyName } from '../../config/limits.js';
import type { WorkerConfig } from '../../config/schema.js';

/** What a container of a function may use, as plain data: the same for every backend, whatever sets it in force. null = no limit. */
export interface ContainerLimits {
  /** Of what is in RAM; bytes. Over it the kernel ends the container. */
  readonly memoryBytes: number | null;
  /**
   * Above it a container is let be until its run ends, and is then replaced; bytes. The worker watches it and the kernel is not told: `memory.high` (version 2) would slow
   * the run down until it crawls, `memory.soft_limit_in_bytes` (version 1) is deprecated, and neither says whether it was passed by page cache or by what the function holds.
   */
  readonly memorySoftBytes: number | null;
  /** Beside the memory, not including it; bytes. null only where `memoryBytes` is. */
  readonly swapBytes: number | null;
  /** Quota in CPUs. */
  readonly cpus: number | null;
  /** Weight against others; 1024 for each CPU. */
  readonly shares: number | null;
  /** Cores as "0-1,4". */
  readonly cpuset: string | null;
  /** Processes and threads of the function; what the backend itself has in the container comes on top. */
  readonly pids: number | null;
}

/** The part of the worker's configuration that decides it. */
export type LimitSettings = Pick<WorkerConfig, 'cpu' | 'memory'>;

const MIB = 1024 * 1024;
const SHARES_PER_CPU = 1024;

export function memoryPolicyOf(definition: FunctionDefinition, { memory }: LimitSettings): MemoryPolicyName {
  return definition.memoryPolicy ?? memory.policy;
}

export function containerLimits(definition: FunctionDefinition, settings: LimitSettings): ContainerLimits {
  const { cpus, cpuset, pids } = definition;
  const enforce = definition.cpuEnforce ?? settings.cpu.enforce;
  return {
    ...memoryLimits(definition, settings),
    cpus: enforce === 'quota' ? cpus : null,
    shares: enforce === 'shares' ? Math.max(2, Math.round(cpus * SHARES_PER_CPU)) : null,
    cpuset,
    pids,
  };
}

type MemoryLimits = Pick<ContainerLimits, 'memoryBytes' | 'memorySoftBytes' | 'swapBytes'>;

function memoryLimits(definition: FunctionDefinition, settings: LimitSettings): MemoryLimits {
  const { growFactor, swapFactor } = settings.memory;
  const { memoryMb, memoryCeilingMb, swapMb } = definition;
  const memoryBytes = memoryMb * MIB;
  switch (memoryPolicyOf(definition, settings)) {
    case 'kill':
      // No swap: the function would crawl through the swap file instead of being answered out_of_memory.
      return { memoryBytes, memorySoftBytes: null, swapBytes: 0 };
    case 'grow': {
      const ceilingMb = Math.max(memoryMb, memoryCeilingMb ?? Math.round(memoryMb * growFactor));
      return { memoryBytes: ceilingMb * MIB, memorySoftBytes: memoryBytes, swapBytes: 0 };
    }
    case 'swap':
      return { memoryBytes, memorySoftBytes: null, swapBytes: (swapMb ?? Math.round(memoryMb * swapFactor)) * MIB };
    case 'none':
      return { memoryBytes: null, memorySoftBytes: null, swapBytes: null };
  }
}
