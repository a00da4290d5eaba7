/** Where energy can be read, in the order in which `auto` tries them: what is read often and cheaply first, and of the whole board before a part of it. */
export const ENERGY_SOURCES = [
  'ina3221',
  'tegrastats',
  'rapl',
  'rapl-msr',
  'perf',
  'nvidia',
  'ipmi',
  'battery',
] as const;

export type EnergySourceName = (typeof ENERGY_SOURCES)[number];
