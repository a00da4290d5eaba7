import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { EnergyConfig } from '../../../config/sections/energy.js';
import { type EnergyReading, type EnergySource, EnergySourceError } from '../energy-source.js';
import { PowerMeter, type PowerSample } from '../power-meter.js';
import { numberOf, textOf } from './sysfs.js';

/**
 * What a battery gives while the machine runs on it: the whole machine, with its screen. On mains there is no reading, since what flows then is what charges; the time on mains is left out, not
 * bridged.
 */
export class BatterySource implements EnergySource {
  readonly name = 'battery';
  readonly facts = {
    periodMs: 1000,
    accuracy:
      'a few percent, renewed every 1 to 30 s, as the battery’s own controller has it; the energy is integrated from it',
    cost: 'a few small files; some milliseconds where they ask the embedded controller',
    covers: 'the whole machine, while it runs on its battery',
  };
  readonly #folder: string;
  readonly #periodUs: number;
  #batteries: string[] = [];
  #meter: PowerMeter | null = null;

  constructor({ root, periodMs }: Pick<EnergyConfig, 'root' | 'periodMs'>) {
    this.#folder = join(root, 'sys/class/power_supply');
    this.#periodUs = Math.max(periodMs, this.facts.periodMs) * 1000;
  }

  async open(): Promise<void> {
    this.#batteries = batteriesIn(this.#folder);
    if (this.#batteries.length === 0) throw new EnergySourceError('missing', 'this machine has no battery');
    this.#meter = new PowerMeter(this.#periodUs);
    try {
      await this.read();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async read(): Promise<EnergyReading> {
    const meter = this.#meter;
    if (meter === null) throw new EnergySourceError('failed', 'it is not open');
    const states = this.#batteries.map((name) => ({ name, status: textOf(join(this.#folder, name, 'status')) }));
    if (!states.some(({ status }) => status === 'Discharging')) {
      meter.interrupt();
      const said = states.map(({ name, status }) => `${name}: ${status ?? 'not there'}`).join(', ');
      throw new EnergySourceError('failed', `it does not run on its battery (${said})`);
    }
    const samples = states.map(({ name, status }): PowerSample => {
      // One of several may rest, and give nothing.
      const watts = status === 'Discharging' ? this.#watts(name) : status === null ? null : 0;
      return { name, feeds: 'all', inTotal: true, watts };
    });
    if (samples.every(({ watts }) => watts === null)) {
      throw new EnergySourceError('missing', 'the battery does not tell its power');
    }
    return meter.take(performance.now() * 1000, samples);
  }

  async close(): Promise<void> {
    this.#meter = null;
  }

  /** µW; or µA and µV, on some negative while it discharges. */
  #watts(name: string): number | null {
    const value = (file: string): number | null => numberOf(join(this.#folder, name, file));
    const power = value('power_now');
    if (power !== null) return Math.abs(power) / 1e6;
    const [current, voltage] = [value('current_now'), value('voltage_now')];
    return current === null || voltage === null ? null : (Math.abs(current) / 1e6) * (voltage / 1e6);
  }
}

/** Of the machine: mice and telephones have batteries, too (`scope` Device). */
function batteriesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => textOf(join(folder, name, 'type')) === 'Battery')
      .filter((name) => textOf(join(folder, name, 'scope')) !== 'Device')
      .sort();
  } catch {
    return [];
  }
}
