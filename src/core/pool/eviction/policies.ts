import type { PolicyEntry } from '../../policy.js';
import type { EvictionPolicy } from './eviction-policy.js';
import { gdsf } from './gdsf.js';
import { greedyDual } from './greedy-dual.js';
import { hybridHistogram } from './hybrid-histogram.js';
import { lru } from './lru.js';
import { s3Fifo } from './s3-fifo.js';
import { sieve } from './sieve.js';
import { ttl } from './ttl.js';

/** Which idle containers go, by the name it is configured with. */
export const evictionPolicies = {
  lru,
  ttl,
  greedy_dual: greedyDual,
  gdsf,
  hybrid_histogram: hybridHistogram,
  sieve,
  s3_fifo: s3Fifo,
} as const satisfies Record<string, PolicyEntry<EvictionPolicy>>;
