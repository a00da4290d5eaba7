import type { EnergyConfig } from '../../../config/sections/energy.js';
import { Ina3221Rails } from '../../jetson/ina3221-rails.js';
import { SystemFiles } from '../../jetson/system-files.js';
import { totalPower } from '../../jetson/total-power.js';
import { type EnergyReading, type EnergySource, EnergySourceError } from '../energy-source.js';
import { BoardPower } from './board-power.js';

/** A Jetson's own power sensors, read where the kernel shows them: no program, and no older than the moment. */
export class Ina3221Source implements EnergySource {
  readonly name = 'ina3221';
  readonly facts;
  readonly #root: string;
  #rails: Ina3221Rails | null = null;
  #power: BoardPower | null = null;
  #latestUs = 0;

  constructor({ root, periodMs }: Pick<EnergyConfig, 'root' | 'periodMs'>) {
    this.#root = root;
    this.facts = {
      periodMs,
      accuracy:
        'as exact as the sensor with its shunt, of the moment; the energy is integrated from it, and what the carrier board draws may be beside it',
      cost: 'two transfers over I²C a rail, off the worker’s thread',
      covers: 'the module by its input rail; without one (AGX) the sum of the rails that are measured',
    };
  }

  async open(): Promise<void> {
    const rails = new Ina3221Rails(new SystemFiles(this.#root));
    if (rails.count === 0) throw new EnergySourceError('missing', 'this machine shows no INA3221 power sensor');
    this.#rails = rails;
    this.#power = new BoardPower(this.facts.periodMs * 1000);
    try {
      await this.read();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async read(): Promise<EnergyReading> {
    const rails = this.#rails;
    const power = this.#power;
    if (rails === null || power === null) throw new EnergySourceError('failed', 'it is not open');
    const now = await rails.read();
    if (now.length === 0) {
      const text = 'no rail of the INA3221 power sensors can be read';
      throw rails.forbidden
        ? new EnergySourceError('forbidden', text, `sudo chmod a+r ${rails.example}`)
        : new EnergySourceError('failed', text);
    }
    // Two that are asked for at once end in any order.
    this.#latestUs = Math.max(this.#latestUs, performance.now() * 1000);
    const reading = power.take(this.#latestUs, now, totalPower(now));
    if (reading === null) throw new EnergySourceError('failed', 'its rails say nothing of the whole board');
    return reading;
  }

  async close(): Promise<void> {
    this.#rails = null;
    this.#power = null;
  }
}
