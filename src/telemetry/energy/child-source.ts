import type { ChildMeter } from './child-meter.js';
import { type EnergyReading, EnergySourceError } from './energy-source.js';

/** What sources have in common whose program goes on writing: it runs from `open` to `close`. */
export abstract class ChildSource {
  #meter: ChildMeter | null = null;

  /** A new one, not open yet. Throws EnergySourceError where it is known beforehand that there is nothing to read. */
  protected abstract createMeter(): ChildMeter;

  async open(): Promise<void> {
    const meter = this.createMeter();
    // Before it is open, so that whoever closes meanwhile ends it.
    this.#meter = meter;
    await meter.open();
  }

  async read(): Promise<EnergyReading> {
    if (this.#meter === null) throw new EnergySourceError('failed', 'it is not open');
    return this.#meter.read();
  }

  async close(): Promise<void> {
    const meter = this.#meter;
    this.#meter = null;
    await meter?.close();
  }
}
