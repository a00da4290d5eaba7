import type { PolicyEntry } from '../../policy.js';
import type { EvictionPolicy } from './eviction-policy.js';
import { lru } from './lru.js';
import { ttl } from './ttl.js';

/** Which idle containers go, by the name it is configured with. */
export const evictionPolicies = { lru, ttl } as const satisfies Record<string, PolicyEntry<EvictionPolicy>>;
