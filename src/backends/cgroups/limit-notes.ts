import { readFileSync } from 'node:fs';
import type { FunctionDefinition } from '../../config/api.js';
import type { CgroupLayout } from '../process/cgroups.js';
import { type LimitSettings, memoryPolicyOf } from './limits.js';

/** What a function's limits ask for and this machine cannot give, as sentences for whoever registers it. */
export function limitNotes(
  definition: FunctionDefinition,
  settings: LimitSettings,
  layout: CgroupLayout,
  hasSwap: boolean,
): string[] {
  const policy = memoryPolicyOf(definition, settings);
  if (policy === 'none') return [];
  if (!layout.memory) {
    return [`memory policy ${policy}: no cgroup limits memory here, so only the data of each process is limited`];
  }
  if (policy !== 'swap') return [];
  if (!hasSwap) return ['memory policy swap: this machine has no swap, so the memory is a hard limit'];
  return layout.swapLimits ? [] : ['memory policy swap: the kernel does not count swap per cgroup, so it has no limit'];
}

export function machineHasSwap(): boolean {
  return /^SwapTotal:\s+[1-9]/m.test(readFileSync('/proc/meminfo', 'utf8'));
}
