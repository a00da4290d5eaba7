import type { FunctionDefinition } from '../../config/api.js';

/**
 * The limits of a container as Docker's HostConfig has them. Where the container's cgroup lies in one that the worker made and limited, these say the same again, so that `docker inspect` tells the
 * truth; with a daemon that uses systemd for cgroups they are all there is.
 */
export interface DockerResources {
  readonly Memory: number;
  /** Memory and swap together. */
  readonly MemorySwap: number;
  readonly CpuPeriod?: number;
  readonly CpuQuota?: number;
  readonly CpuShares?: number;
  readonly PidsLimit: number;
}

const MIB = 1024 * 1024;
const PERIOD_US = 100_000;
/** Docker refuses less. */
const LEAST_MEMORY = 6 * MIB;
const LEAST_QUOTA_US = 1_000;
const LEAST_SHARES = 2;
const SHARES_OF_ONE = 1024;

/** As a quota, not as `NanoCpus`: that is refused when it is more than the machine has. */
export function dockerResources(
  { memoryMb, cpus, pids }: FunctionDefinition,
  enforce: 'quota' | 'shares' | 'none',
): DockerResources {
  const memory = Math.max(LEAST_MEMORY, memoryMb * MIB);
  return {
    Memory: memory,
    MemorySwap: memory,
    PidsLimit: pids,
    ...(enforce === 'quota'
      ? { CpuPeriod: PERIOD_US, CpuQuota: Math.max(LEAST_QUOTA_US, Math.round(cpus * PERIOD_US)) }
      : {}),
    ...(enforce === 'shares' ? { CpuShares: Math.max(LEAST_SHARES, Math.round(cpus * SHARES_OF_ONE)) } : {}),
  };
}
