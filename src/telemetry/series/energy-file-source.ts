import { openTable } from '../../tables/batches.js';
import type { ClockOffset, FetchedSeries, Selection, SeriesSource, Window } from './series-source.js';

/**
 * What `iluvatar energy monitor` wrote beside a run, as series of it: `energy.<source>[.<domain>].watts` and `.joules`, `process.<pid>.cpus`, `cpu-frequency.<cpu>.mhz`. A selection names some of them.
 */
export class EnergyFileSource implements SeriesSource {
  readonly kind = 'energy';
  readonly stampedBy = 'source';
  readonly address: string;
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
    this.address = `energy ${file}`;
  }

  async clockOffset(): Promise<ClockOffset> {
    return { offsetMs: 0, uncertaintyMs: 0, method: 'the monitor ran on this machine, and stamped by its clock' };
  }

  async fetch(window: Window, { series: wanted }: Selection): Promise<FetchedSeries[]> {
    const found = new Map<string, { timeMs: number; value: number }[]>();
    for await (const batch of (await openTable(this.#file, ['source', 'domain', 'note'])).batches()) {
      const [times, sources, domains] = ['unix_us', 'source', 'domain'].map((name) => batch.column(name));
      const values = VALUES.map((value) => ({ ...value, cells: batch.column(value.column) }));
      for (let i = 0; i < batch.rows; i++) {
        const timeMs = Number(times?.[i]) / 1000;
        if (!(timeMs >= window.beginMs && timeMs <= window.endMs)) continue;
        const domain = domains?.[i] ?? '';
        for (const { head, ending, scale, cells } of values) {
          const cell = cells?.[i];
          if (typeof cell !== 'number') continue;
          const name = [head, sources?.[i], domain, ending].filter((part) => part !== '').join('.');
          const points = found.get(name) ?? [];
          found.set(name, points);
          points.push({ timeMs, value: cell * scale });
        }
      }
    }
    return [...found]
      .filter(([series]) => wanted.length === 0 || wanted.includes(series))
      .map(([series, points]) => ({ series, worker: '', points }));
  }
}

const VALUES = [
  { column: 'power_mw', head: 'energy', ending: 'watts', scale: 1e-3 },
  { column: 'energy_uj', head: 'energy', ending: 'joules', scale: 1e-6 },
  { column: 'cpu_permille', head: '', ending: 'cpus', scale: 1e-3 },
  { column: 'freq_khz', head: '', ending: 'mhz', scale: 1e-3 },
] as const;
