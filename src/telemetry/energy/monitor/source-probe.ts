import type { EnergySource } from '../energy-source.js';
import type { Probe, ProbeReading } from './probe.js';

/** A source of energy, read by a monitor: its total, and each of its domains. */
export class SourceProbe implements Probe {
  readonly source: string;
  readonly periodMs: number;
  readonly #energy: EnergySource;

  constructor(energy: EnergySource, periodMs: number) {
    this.source = energy.name;
    this.periodMs = periodMs;
    this.#energy = energy;
  }

  open(): Promise<void> {
    return this.#energy.open();
  }

  async read(): Promise<ProbeReading> {
    const { atUs, joules, watts, estimated, domains } = await this.#energy.read();
    const parts = domains.map((domain) => ({
      domain: domain.name,
      joules: domain.joules,
      watts: domain.watts,
      estimated,
    }));
    return { atUs, values: [{ domain: '', joules, watts, estimated }, ...parts] };
  }

  close(): Promise<void> {
    return this.#energy.close();
  }
}
