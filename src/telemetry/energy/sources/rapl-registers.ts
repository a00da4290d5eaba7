import type { EnergyDomain } from '../energy-source.js';
import type { Processor } from './cpu-topology.js';

/**
 * Where processors have their energy counters, and in which units: Intel's Software Developer's Manual (volume 4, MSR_RAPL_POWER_UNIT, MSR_*_ENERGY_STATUS) and AMD's Processor Programming Reference of
 * family 17h. What the manuals leave out is known from Linux's driver: the memory of some servers counts in a unit of its own, and small Atoms count in µJ.
 */
export interface RaplRegisters {
  /** Bits 12:8 are the unit. */
  readonly unit: number;
  readonly counters: readonly RaplCounter[];
  /** Of the number in those bits; J. */
  joulesPerUnit(exponent: number): number;
}

export interface RaplCounter extends Pick<EnergyDomain, 'feeds' | 'inTotal'> {
  /** null = of the package itself. */
  readonly name: string | null;
  readonly register: number;
  /** Where it is not that of the package; J. */
  readonly joulesPerUnit: number | null;
}

const BINARY = (exponent: number): number => 2 ** -exponent;
const MICRO = (exponent: number): number => 2 ** exponent * 1e-6;

/** Haswell, Broadwell, Skylake and their kin, Ice Lake (all of servers), Knights Landing and Mill. From Sapphire Rapids on, memory counts like everything else. */
const FIXED_DRAM_UNIT = new Set([0x3f, 0x4f, 0x55, 0x6a, 0x6c, 0x57, 0x85]);
const FIXED_DRAM_JOULES = 15.3e-6;
/** Silvermont, Airmont, and theirs for telephones. */
const MICROJOULES = new Set([0x37, 0x4a, 0x4c, 0x5a]);

/** null = there are none known of this processor. */
export function raplRegistersOf({ vendor, family, model }: Processor): RaplRegisters | null {
  if (vendor === 'GenuineIntel' && family === 6) {
    const dram = FIXED_DRAM_UNIT.has(model) ? FIXED_DRAM_JOULES : null;
    return {
      unit: 0x606,
      counters: [
        { name: null, register: 0x611, feeds: 'cpu', inTotal: true, joulesPerUnit: null },
        { name: 'dram', register: 0x619, feeds: 'memory', inTotal: true, joulesPerUnit: dram },
        { name: 'core', register: 0x639, feeds: 'cpu', inTotal: false, joulesPerUnit: null },
        { name: 'uncore', register: 0x641, feeds: 'gpu', inTotal: false, joulesPerUnit: null },
      ],
      joulesPerUnit: MICROJOULES.has(model) ? MICRO : BINARY,
    };
  }
  if ((vendor === 'AuthenticAMD' && family >= 0x17) || (vendor === 'HygonGenuine' && family >= 0x18)) {
    return {
      unit: 0xc001_0299,
      counters: [{ name: null, register: 0xc001_029b, feeds: 'cpu', inTotal: true, joulesPerUnit: null }],
      joulesPerUnit: BINARY,
    };
  }
  return null;
}
