import { dispatchPolicies } from '../../../src/core/dispatch/policies.js';
import { dispatchPolicyConformance } from '../conformance/dispatch-policy.js';

for (const entry of Object.values(dispatchPolicies)) dispatchPolicyConformance(entry);
