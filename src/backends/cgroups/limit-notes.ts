import { readFileSync } from 'node:fs';
import type { FunctionDefinition } from '../../config/api.js';
import type { MemoryPolicyName } from '../../config/limits.js';
import { IluvatarError } from '../../core/errors.js';
import type { CgroupLayout } from './layout.js';
import { type LimitSettings, memoryPolicyOf } from './limits.js';

/** What a memory policy asks for and this machine cannot give, as sentences for whoever registers a function or starts a worker with it. */
export function memoryPolicyNotes(
  policy: MemoryPolicyName,
  layout: Pick<CgroupLayout, 'memory' | 'swapLimits'>,
  hasSwap: boolean,
): string[] {
  if (policy === 'none') return [];
  if (!layout.memory) {
    return [`memory policy ${policy}: no cgroup limits memory here, so only the data of each process is limited`];
  }
  if (policy !== 'swap') return [];
  if (!hasSwap) return ['memory policy swap: this machine has no swap, so the memory is a hard limit'];
  return layout.swapLimits ? [] : ['memory policy swap: the kernel does not count swap per cgroup, so it has no limit'];
}

/** The same for one function, before it is registered. Throws `unavailable` for what cannot be had at all. */
export function limitNotes(definition: FunctionDefinition, settings: LimitSettings, layout: CgroupLayout): string[] {
  if (definition.cpuset !== null && layout.cpuset === null) {
    throw new IluvatarError('unavailable', 'this worker cannot set cores: there is no "cpuset" controller here');
  }
  return memoryPolicyNotes(memoryPolicyOf(definition, settings), layout, machineHasSwap());
}

export function machineHasSwap(): boolean {
  return /^SwapTotal:\s+[1-9]/m.test(readFileSync('/proc/meminfo', 'utf8'));
}
