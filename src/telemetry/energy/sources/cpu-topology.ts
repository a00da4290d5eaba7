import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { numberOf, textOf } from './sysfs.js';

/** Which processor this is, and which of its CPUs are in which package. */

export interface Package {
  /** As the kernel names its energy counters: `package-0`, `package-0-die-1`. */
  readonly name: string;
  /** `physical_package_id`: several dies may be in one. */
  readonly socket: number;
  /** Lowest of its CPUs that runs: registers of the package are read through it. */
  readonly cpu: number;
}

/** In order of their numbers; empty when it cannot be told. */
export function packagesOf(root: string): Package[] {
  const folder = join(root, 'sys/devices/system/cpu');
  const cpus = entriesOf(folder)
    .flatMap((entry) => /^cpu(\d+)$/.exec(entry)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
  const found: { socket: number; die: number; cpu: number }[] = [];
  for (const cpu of cpus) {
    // CPUs that are off have no topology.
    const socket = numberOf(join(folder, `cpu${cpu}/topology/physical_package_id`));
    if (socket === null || socket < 0) continue;
    const die = Math.max(0, numberOf(join(folder, `cpu${cpu}/topology/die_id`)) ?? 0);
    if (!found.some((other) => other.socket === socket && other.die === die)) found.push({ socket, die, cpu });
  }
  const dies = found.some(({ die }) => die > 0);
  return found
    .sort((a, b) => a.socket - b.socket || a.die - b.die)
    .map(({ socket, die, cpu }) => ({ name: `package-${socket}${dies ? `-die-${die}` : ''}`, socket, cpu }));
}

export interface Processor {
  readonly vendor: string;
  readonly family: number;
  readonly model: number;
}

/** null = not an x86 processor. */
export function processorOf(root: string): Processor | null {
  const text = textOf(join(root, 'proc/cpuinfo')) ?? '';
  const value = (key: string): string | undefined => new RegExp(`^${key}\\s*:\\s*(\\S+)`, 'm').exec(text)?.[1];
  const [vendor, family, model] = [value('vendor_id'), Number(value('cpu family')), Number(value('model'))];
  return vendor === undefined || Number.isNaN(family) || Number.isNaN(model) ? null : { vendor, family, model };
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
