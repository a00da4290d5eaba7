import { type DockerLimits, toDockerLimits } from '../cgroups/limit-formats.js';
import type { ContainerLimits } from '../cgroups/limits.js';

/** Docker refuses less. */
const LEAST_MEMORY = 6 * 1024 * 1024;
/** Docker puts no process of its own into a container. */
const OWN_PROCESSES = 0;

/**
 * The limits of a container as Docker takes them. Where the container's cgroup lies in one that the worker made and limited, these say the same again, so that `docker inspect` tells the
 * truth; with a daemon that uses systemd for cgroups they are all there is.
 */
export function dockerResources(limits: ContainerLimits): DockerLimits {
  const resources = toDockerLimits(limits, OWN_PROCESSES);
  // 0 is none.
  if (resources.Memory === 0 || resources.Memory >= LEAST_MEMORY) return resources;
  const swap = resources.MemorySwap < 0 ? resources.MemorySwap : Math.max(resources.MemorySwap, LEAST_MEMORY);
  return { ...resources, Memory: LEAST_MEMORY, MemorySwap: swap };
}
