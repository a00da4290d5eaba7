import type { WorkerConfig } from '../../config/schema.js';
import type { EnergySource, EnergySourceName } from './energy-source.js';
import { BatterySource } from './sources/battery.js';
import { Ina3221Source } from './sources/ina3221.js';
import { IpmiSource } from './sources/ipmi.js';
import { NvidiaSource } from './sources/nvidia.js';
import { PerfSource } from './sources/perf.js';
import { RaplSource } from './sources/rapl.js';
import { RaplMsrSource } from './sources/rapl-msr.js';
import { TegrastatsEnergySource } from './sources/tegrastats.js';

/** How each source is made of the configuration. Making one does nothing yet. */

export type EnergySourceConfig = Pick<WorkerConfig, 'energy' | 'jetson'>;

export const ENERGY_SOURCE_MAKERS: Readonly<Record<EnergySourceName, (config: EnergySourceConfig) => EnergySource>> = {
  ina3221: ({ energy }) => new Ina3221Source(energy),
  tegrastats: ({ energy, jetson }) => new TegrastatsEnergySource(energy, jetson),
  rapl: ({ energy }) => new RaplSource(energy),
  'rapl-msr': ({ energy }) => new RaplMsrSource(energy),
  perf: ({ energy }) => new PerfSource(energy),
  nvidia: ({ energy }) => new NvidiaSource(energy),
  ipmi: ({ energy }) => new IpmiSource(energy),
  battery: ({ energy }) => new BatterySource(energy),
};
