import type { InvocationEnergy } from '../../../core/errors.js';
import type { InvokeResponse } from '../../../rpc/gen/iluvatar_rpc.js';

/** What an answer says of energy; what is not known is absent. */
export function energyFields(
  energy: InvocationEnergy | null | undefined,
): Pick<InvokeResponse, 'energyJoules' | 'cpuUs'> {
  const { joules = null, cpuMs = null } = energy ?? {};
  return {
    ...(joules === null ? {} : { energyJoules: joules }),
    ...(cpuMs === null ? {} : { cpuUs: Math.round(1000 * cpuMs) }),
  };
}
