import type { FunctionDefinition } from '../../config/api.js';
import type { WorkerConfig } from '../../config/schema.js';
import { coresOf } from './cores.js';

/** What is wrong with the limits that a function asks for, as a sentence; null when they can be kept. `cores`: those of this machine. */
export function limitsFault(
  definition: FunctionDefinition,
  { limits }: Pick<WorkerConfig, 'limits'>,
  cores: readonly number[],
): string | null {
  const { memoryMb, memoryCeilingMb, cpus, cpuset } = definition;
  const { memoryMinMb, memoryMaxMb, cpusMax } = limits;
  if (memoryMb < memoryMinMb || memoryMb > memoryMaxMb) {
    return `memoryMb ${memoryMb} is outside ${memoryMinMb}–${memoryMaxMb} (limits.memoryMinMb, limits.memoryMaxMb)`;
  }
  if (memoryCeilingMb !== null && memoryCeilingMb < memoryMb) {
    return `memoryCeilingMb ${memoryCeilingMb} is below memoryMb ${memoryMb}`;
  }
  if (memoryCeilingMb !== null && memoryCeilingMb > memoryMaxMb) {
    return `memoryCeilingMb ${memoryCeilingMb} is above ${memoryMaxMb} (limits.memoryMaxMb)`;
  }
  if (cpus > cpusMax) return `cpus ${cpus} is above ${cpusMax} (limits.cpusMax)`;
  return cpuset === null ? null : cpusetFault(cpuset, cpus, cores);
}

function cpusetFault(cpuset: string, cpus: number, cores: readonly number[]): string | null {
  const wanted = coresOf(cpuset);
  if (wanted.length === 0) return `cpuset "${cpuset}" names no cores`;
  const missing = wanted.filter((core) => !cores.includes(core));
  if (missing.length > 0) return `cpuset "${cpuset}": this machine has no core ${missing.join(', ')}`;
  // It would hold slots that it can never use.
  return wanted.length < cpus ? `cpuset "${cpuset}" has ${wanted.length} cores, fewer than cpus ${cpus}` : null;
}
