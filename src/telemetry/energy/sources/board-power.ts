import type { RailPower } from '../../jetson/jetson-reading.js';
import type { TotalPower } from '../../jetson/tegrastats-sample.js';
import type { EnergyDomain, EnergyReading } from '../energy-source.js';
import { PowerMeter } from '../power-meter.js';

/**
 * Energy of a Jetson out of the power of its rails, whoever reads them. Which rails make the total is settled by the first reading that says so: were it to change with one that lacks a rail, the joules
 * would jump.
 */
export class BoardPower {
  readonly #meter: PowerMeter;
  #total: TotalPower | null = null;

  constructor(periodUs: number) {
    this.#meter = new PowerMeter(periodUs);
  }

  /** Null = so far nothing says what the board draws. */
  take(atUs: number, rails: readonly RailPower[], total: TotalPower | null): EnergyReading | null {
    this.#total ??= total;
    const settled = this.#total;
    if (settled === null) return null;
    const powers = new Map<string, number | null>(rails.map(({ name, powerMw }) => [name, powerMw / 1000]));
    // A rail that is missing this time is still one of the total.
    for (const name of settled.rails) if (!powers.has(name)) powers.set(name, null);
    const samples = [...powers].map(([name, watts]) => {
      return { name, watts, feeds: feedsOf(name), inTotal: settled.rails.includes(name) };
    });
    const reading = this.#meter.take(atUs, samples);
    return settled.estimated ? { ...reading, estimated: true } : reading;
  }
}

const FEEDS: readonly (readonly [RegExp, EnergyDomain['feeds']])[] = [
  [/^(VDD_IN|POM_5V_IN|VIN|VDD_CPU_GPU_CV)$/i, 'all'],
  [/(^|_)GPU(_|$)/i, 'gpu'],
  [/(^|_)CPU(_|$)/i, 'cpu'],
  [/(^|_)(DDR|VDDRQ)$|^VDDQ/i, 'memory'],
];

/** By what the rail is called; one that feeds several things by the first of them. */
export function feedsOf(rail: string): EnergyDomain['feeds'] {
  return FEEDS.find(([pattern]) => pattern.test(rail))?.[1] ?? 'other';
}
