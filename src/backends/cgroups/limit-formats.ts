import type { CgroupLimits } from '../../native.js';
import type { ContainerLimits } from './limits.js';

/** One set of limits in the words of each who sets it in force: our own cgroup module, an OCI runtime, Docker. */

/** 100 ms, the period of every quota: long enough to cost nothing, short enough that a CPU limit agrees with the slots that admit work. */
const PERIOD_US = 100_000;
/** The kernel refuses less. */
const LEAST_QUOTA_US = 1000;

/** CPU time that a container may use in each period; µs. */
export function quotaUs(cpus: number): number {
  return Math.max(LEAST_QUOTA_US, Math.round(cpus * PERIOD_US));
}

/** `ownPids`: processes that the backend itself has in the container. The cores are set apart from the rest: `pinTo`. */
export function toCgroupLimits(limits: ContainerLimits, ownPids: number): CgroupLimits {
  const { memoryBytes, swapBytes, cpus, shares, pids } = limits;
  return { memoryBytes, swapBytes, cpus, shares, pids: pids === null ? null : pids + ownPids };
}

/** `linux.resources` of the OCI runtime specification, as far as limits go. */
export interface OciResources {
  /** `swap` is memory and swap together. */
  memory?: { limit: number; swap?: number };
  cpu?: { period?: number; quota?: number; shares?: number; cpus?: string };
  pids?: { limit: number };
}

/** `swapLimits`: this machine can limit swap. A runtime fails the container when it is asked for what it cannot do. */
export function toOciResources(limits: ContainerLimits, ownPids: number, swapLimits: boolean): OciResources {
  const { memoryBytes, swapBytes, cpus, shares, cpuset, pids } = limits;
  const memory = memoryBytes === null ? undefined : { limit: memoryBytes };
  const swap = memoryBytes === null || swapBytes === null || !swapLimits ? undefined : memoryBytes + swapBytes;
  const cpu = {
    ...(cpus === null ? {} : { period: PERIOD_US, quota: quotaUs(cpus) }),
    ...(shares === null ? {} : { shares }),
    ...(cpuset === null ? {} : { cpus: cpuset }),
  };
  return {
    ...(memory === undefined ? {} : { memory: { ...memory, ...(swap === undefined ? {} : { swap }) } }),
    ...(Object.keys(cpu).length === 0 ? {} : { cpu }),
    ...(pids === null ? {} : { pids: { limit: pids + ownPids } }),
  };
}

/** Fields of a Docker container's `HostConfig`; 0 and '' are its words for no limit. */
export interface DockerLimits {
  Memory: number;
  /** Memory and swap together; -1 = no limit. */
  MemorySwap: number;
  CpuPeriod: number;
  CpuQuota: number;
  CpuShares: number;
  CpusetCpus: string;
  /** -1 = no limit. */
  PidsLimit: number;
}

export function toDockerLimits(limits: ContainerLimits, ownPids: number): DockerLimits {
  const { memoryBytes, swapBytes, cpus, shares, cpuset, pids } = limits;
  return {
    Memory: memoryBytes ?? 0,
    MemorySwap: memoryBytes === null || swapBytes === null ? -1 : memoryBytes + swapBytes,
    CpuPeriod: cpus === null ? 0 : PERIOD_US,
    CpuQuota: cpus === null ? 0 : quotaUs(cpus),
    CpuShares: shares ?? 0,
    CpusetCpus: cpuset ?? '',
    PidsLimit: pids === null ? -1 : pids + ownPids,
  };
}
