/**
 * The policies that can be configured. `core/` describes and makes them; it is pure and may not be asked from here, so the names are listed, and a test holds both
 * lists together.
 */
export const CPU_QUEUE_POLICIES = ['fcfs'] as const;
export const GPU_QUEUE_POLICIES = ['fcfs'] as const;
export const DISPATCH_POLICIES = ['cpu'] as const;
export const EVICTION_POLICIES = ['lru', 'ttl'] as const;
