import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EnergyConfig } from '../../../config/sections/energy.js';
import { type CountedDomain, CounterMeter } from '../counter-meter.js';
import { type EnergyReading, type EnergySource, EnergySourceError } from '../energy-source.js';
import { type Explanation, numberOf, sourceError, textOf } from './sysfs.js';

/**
 * Energy counters of x86 processors as the kernel gives them (powercap, `intel-rapl`, which is also AMD's name there): every package, and what is in it and beside it. Units are the kernel's business:
 * all is in µJ, and `max_energy_range_uj` says where a counter begins again.
 */

/** What a package cannot draw, unless its own limit says more: at this, a counter of 32 bits of 61 µJ lasts over two minutes. */
const MOST_WATTS = 2000;

export class RaplSource implements EnergySource {
  readonly name = 'rapl';
  readonly facts = {
    periodMs: 1,
    accuracy: 'counted by the processor; within a few percent of a meter since Haswell, modelled before and on AMD',
    cost: 'one small file a domain, some tens of µs each',
    covers: 'processor packages, and memory where there is a domain dram; not the board, disks, fans, power supply',
  };
  readonly #folder: string;
  #meter: CounterMeter | null = null;

  constructor({ root }: Pick<EnergyConfig, 'root'>) {
    this.#folder = join(root, 'sys/class/powercap');
  }

  async open(): Promise<void> {
    const zones = zonesIn(this.#folder);
    const meter = new CounterMeter(zones.map(({ domain }) => domain));
    try {
      // A counter that may not be read is told now, and not left out of every total.
      for (const { domain } of zones) domain.read();
      meter.read();
    } catch (error) {
      throw this.#explained(error);
    }
    this.#meter = meter;
  }

  async read(): Promise<EnergyReading> {
    if (this.#meter === null) throw new EnergySourceError('failed', 'it is not open');
    try {
      return this.#meter.read();
    } catch (error) {
      throw this.#explained(error);
    }
  }

  async close(): Promise<void> {
    this.#meter = null;
  }

  #explained(error: unknown): EnergySourceError {
    return sourceError(error, {
      missing: nothingIn(this.#folder),
      forbidden: {
        message: 'energy counters have been for root alone since 2020, because their course gives away secrets',
        remedy: `sudo chmod a+r ${this.#folder}/intel-rapl*/energy_uj`,
      },
    });
  }
}

function nothingIn(folder: string): Explanation {
  return {
    message: `there are no energy counters in ${folder}: no such processor, a virtual machine, or a module that is not loaded`,
    remedy: 'sudo modprobe intel_rapl_msr',
  };
}

interface Zone {
  /** `0`, or `0:1` of what is inside it. */
  readonly id: string;
  readonly domain: CountedDomain;
}

/** Throws EnergySourceError when there are none. `intel-rapl-mmio` is not among them: it counts the same package once more. */
function zonesIn(folder: string): Zone[] {
  const zones: Zone[] = [];
  const names = new Map<string, string>();
  for (const entry of entriesOf(folder)) {
    const [, id] = /^intel-rapl:(\d+(?::\d+)?)$/.exec(entry) ?? [];
    if (id === undefined) continue;
    const zone = join(folder, entry);
    const own = textOf(join(zone, 'name')) ?? `zone-${id}`;
    names.set(id, own);
    const parent = names.get(id.split(':')[0] as string);
    const name = id.includes(':') && parent !== undefined ? `${parent}/${own}` : own;
    const range = numberOf(join(zone, 'max_energy_range_uj'));
    if (range === null || range <= 0) continue;
    const file = join(zone, 'energy_uj');
    zones.push({
      id,
      domain: {
        name,
        ...meaningOf(own),
        range,
        joulesPerUnit: 1e-6,
        mostWatts: mostWatts(zone),
        read: () => microjoulesIn(file),
      },
    });
  }
  if (!zones.some(({ domain }) => domain.inTotal)) {
    const { message, remedy } = nothingIn(folder);
    throw new EnergySourceError('missing', message, remedy);
  }
  return zones;
}

/** Parents before what is inside them. */
function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder).sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  } catch {
    return [];
  }
}

/** Cores and uncore (the graphics of a client's processor) are inside their package; psys is the whole platform, packages and all, and of uneven quality. */
function meaningOf(name: string): Pick<CountedDomain, 'feeds' | 'inTotal'> {
  if (name === 'dram') return { feeds: 'memory', inTotal: true };
  if (name === 'core') return { feeds: 'cpu', inTotal: false };
  if (name === 'uncore') return { feeds: 'gpu', inTotal: false };
  if (name === 'psys') return { feeds: 'all', inTotal: false };
  return name.startsWith('package') ? { feeds: 'cpu', inTotal: true } : { feeds: 'other', inTotal: false };
}

/** Twice the most that any of its limits allows, if that is more: short peaks go above. */
function mostWatts(zone: string): number {
  const limits = [0, 1, 2].map((at) => (numberOf(join(zone, `constraint_${at}_max_power_uw`)) ?? 0) / 1e6);
  return Math.max(MOST_WATTS, 2 * Math.max(...limits));
}

function microjoulesIn(file: string): number {
  const text = readFileSync(file, 'utf8').trim();
  const value = Number(text);
  if (text === '' || !Number.isFinite(value)) throw new EnergySourceError('failed', `${file} says "${text}"`);
  return value;
}
