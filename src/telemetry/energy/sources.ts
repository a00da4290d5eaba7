import type { WorkerConfig } from '../../config/schema.js';
import type { EnergySource, EnergySourceName } from './energy-source.js';
import { BatterySource } from './sources/battery.js';
import { IpmiSource } from './sources/ipmi.js';
import { NvidiaSource } from './sources/nvidia.js';
import { PerfSource } from './sources/perf.js';
import { RaplSource } from './sources/rapl.js';
import { RaplMsrSource } from './sources/rapl-msr.js';

/** How each source is made of the configuration. Making one does nothing yet. */

export type EnergySourceConfig = Pick<WorkerConfig, 'energy'>;

export const ENERGY_SOURCE_MAKERS: Partial<Record<EnergySourceName, (config: EnergySourceConfig) => EnergySource>> = {
  rapl: ({ energy }) => new RaplSource(energy),
  'rapl-msr': ({ energy }) => new RaplMsrSource(energy),
  perf: ({ energy }) => new PerfSource(energy),
  nvidia: ({ energy }) => new NvidiaSource(energy),
  ipmi: ({ energy }) => new IpmiSource(energy),
  battery: ({ energy }) => new BatterySource(energy),
};
