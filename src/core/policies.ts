import { CpuOnlyDispatch } from './dispatch/cpu-only.js';
import type { DispatchPolicy } from './dispatch/dispatch-policy.js';
import type { EvictionPolicy } from './pool/eviction/eviction-policy.js';
import { LruEviction } from './pool/eviction/lru.js';
import { TtlEviction } from './pool/eviction/ttl.js';
import { FcfsQueue } from './queue/fcfs.js';
import type { QueuePolicy } from './queue/queue-policy.js';

/**
 * Every policy there is, by family and by the name it is configured with. A new one is one file and one entry here; configuration, documentation and the conformance
 * tests take it from this list.
 */

export interface PolicyParameter {
  readonly name: string;
  /** `ms`, `MiB`, `ratio`, … */
  readonly unit: string;
  readonly default: number;
  readonly meaning: string;
}

/** What a policy says about itself; for people and for tables. */
export interface PolicyDescription {
  readonly name: string;
  readonly family: 'queue' | 'eviction' | 'dispatch';
  /** What it makes small or great. */
  readonly optimises: string;
  readonly parameters: readonly PolicyParameter[];
  /** Cost of one operation, n = what it holds. */
  readonly cost: string;
  /** Where it is described. */
  readonly source: string;
}

/** Values by parameter name; one that is missing takes its default. */
export type PolicyParameters = Readonly<Record<string, number>>;

export interface PolicyEntry<Policy> extends PolicyDescription {
  readonly create: (parameters: PolicyParameters) => Policy;
}

const fcfs: PolicyEntry<QueuePolicy> = {
  name: 'fcfs',
  family: 'queue',
  optimises: 'fairness: nobody is overtaken, waiting times vary least',
  parameters: [],
  cost: 'O(1)',
  source: 'Ilúvatar (HPDC 2023), queue policy "fcfs"',
  create: () => new FcfsQueue(),
};

const lru: PolicyEntry<EvictionPolicy> = {
  name: 'lru',
  family: 'eviction',
  optimises: 'warm starts for functions used a short time ago; keeps everything while there is memory',
  parameters: [],
  cost: 'O(1)',
  source: 'FaasCache (ASPLOS 2021), as its baseline',
  create: () => new LruEviction(),
};

const keepAlive: PolicyParameter = {
  name: 'keepAliveMs',
  unit: 'ms',
  default: 600_000,
  meaning: 'idle time after which a container goes, for functions that name none of their own',
};

const ttl: PolicyEntry<EvictionPolicy> = {
  name: 'ttl',
  family: 'eviction',
  optimises: 'memory: nothing idles longer than its keep-alive; least recently used first when memory is needed before',
  parameters: [keepAlive],
  cost: 'O(1) a warm invocation, O(log n) a container and keep-alive period',
  source: 'fixed keep-alive as OpenWhisk and AWS Lambda practise it',
  create: (parameters) => new TtlEviction(parameters['keepAliveMs'] ?? keepAlive.default),
};

const cpu: PolicyEntry<DispatchPolicy> = {
  name: 'cpu',
  family: 'dispatch',
  optimises: 'simplicity: whatever can run on the CPU does',
  parameters: [],
  cost: 'O(1)',
  source: 'Ilúvatar, enqueueing policy "AlwaysCPU"',
  create: () => new CpuOnlyDispatch(),
};

export const queuePolicies = { fcfs } as const;
export const evictionPolicies = { lru, ttl } as const;
export const dispatchPolicies = { cpu } as const;

/** Of all families, in the order of the tables. */
export function policyDescriptions(): PolicyDescription[] {
  const families = [queuePolicies, evictionPolicies, dispatchPolicies];
  return families.flatMap((family) => Object.values(family) as PolicyDescription[]);
}
