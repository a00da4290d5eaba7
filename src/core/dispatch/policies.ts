import type { PolicyEntry } from '../policy.js';
import { cpu } from './cpu-only.js';
import type { DispatchPolicy } from './dispatch-policy.js';

/** How a device is chosen for functions that can use several, by the name it is configured with. */
export const dispatchPolicies = { cpu } as const satisfies Record<string, PolicyEntry<DispatchPolicy>>;
