/** The words in which a worker and its functions say how a container is held to its limits. */

/** What happens when a container needs more than its memory. */
export const MEMORY_POLICIES = ['kill', 'grow', 'swap', 'none'] as const;
export type MemoryPolicyName = (typeof MEMORY_POLICIES)[number];

export const CPU_ENFORCEMENTS = ['quota', 'shares', 'none'] as const;

/** Cores as the kernel writes them: "0-1,4". */
export const CPUSET_PATTERN = /^\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*$/;
