import { dispatchPolicies } from './dispatch/policies.js';
import type { PolicyDescription } from './policy.js';
import { evictionPolicies } from './pool/eviction/policies.js';
import { cpuQueuePolicies } from './queue/cpu-policies.js';
import { gpuQueuePolicies } from './queue/gpu-policies.js';

/**
 * Every policy there is, by family and by the name it is configured with. A new one is one file, which describes itself, and one line in its family's list;
 * configuration, documentation and the conformance tests take it from there.
 */
export { cpuQueuePolicies, dispatchPolicies, evictionPolicies, gpuQueuePolicies };

/** Of all families, in the order of the tables. */
export function policyDescriptions(): PolicyDescription[] {
  const families = [cpuQueuePolicies, gpuQueuePolicies, dispatchPolicies, evictionPolicies];
  return families.flatMap((family) => Object.values(family) as PolicyDescription[]);
}
