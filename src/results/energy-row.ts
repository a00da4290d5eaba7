import { integer, type Table, text } from '../tables/columns.js';

/** One thing that a monitor read at a moment: the energy of a source or of a part of it, the CPU time of a process, the frequency of a CPU. What it is not is −1, or empty. */
export interface EnergyRow {
  monotonicUs: number;
  unixUs: number;
  source: string;
  domain: string;
  energyUj: number;
  powerMw: number;
  estimated: number;
  cpuUs: number;
  cpuPermille: number;
  freqKhz: number;
  note: string;
}

export const energyTable: Table<EnergyRow> = {
  name: 'energy',
  version: 1,
  columns: [
    integer('monotonic_us', 'µs', 'when it was read, on this machine’s CLOCK_MONOTONIC', (row) => row.monotonicUs),
    integer('unix_us', 'µs', 'the same moment on the wall clock, since 1970', (row) => row.unixUs),
    text('source', 'where it was read: `rapl`, …, `process`, `cpu-frequency`', (row) => row.source),
    text('domain', 'the part of it; nothing = its total', (row) => row.domain, true),
    integer('energy_uj', 'µJ', 'energy since the monitor began; nothing = none was read', (row) => row.energyUj, -1),
    integer('power_mw', 'mW', 'mean power since the row before; nothing = none was read', (row) => row.powerMw, -1),
    integer('estimated', '0 or 1', 'something of it was not known; nothing = no energy', (row) => row.estimated, -1),
    integer('cpu_us', 'µs', 'CPU time of the process since it began; nothing = no process', (row) => row.cpuUs, -1),
    integer(
      'cpu_permille',
      '1/1000 of a CPU',
      'CPU time since the row before, of the time that passed; nothing = no process, or its first row',
      (row) => row.cpuPermille,
      -1,
    ),
    integer(
      'freq_khz',
      'kHz',
      'frequency of the CPU, as the kernel has it; nothing = no CPU',
      (row) => row.freqKhz,
      -1,
    ),
    text('note', 'why there is nothing; nothing = there is', (row) => row.note, true),
  ],
};
