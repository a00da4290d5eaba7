import type { EnergyDomain, EnergyReading } from './energy-source.js';
import { PowerIntegral } from './power-integral.js';
import { readingOf } from './reading.js';

/** What one thing draws at a moment. */
export interface PowerSample extends Pick<EnergyDomain, 'name' | 'feeds' | 'inTotal'> {
  /** null = not known at this moment. */
  readonly watts: number | null;
}

/**
 * Readings out of powers: each domain is integrated by itself, so that one that says nothing for a while does not disturb the others. A reading is flagged when something of its total is not known, or
 * was not for longer than a few periods.
 */
export class PowerMeter {
  /** null = none since the beginning. */
  latest: EnergyReading | null = null;
  readonly #periodUs: number;
  readonly #domains = new Map<string, { sample: PowerSample; readonly integral: PowerIntegral }>();

  constructor(periodUs: number) {
    this.#periodUs = periodUs;
  }

  /** `atUs` does not fall. Domains that were there before and are not now keep their joules. */
  take(atUs: number, samples: readonly PowerSample[]): EnergyReading {
    const gapsBefore = this.#gaps();
    for (const domain of this.#domains.values()) domain.sample = { ...domain.sample, watts: null };
    for (const sample of samples) {
      const domain = this.#domains.get(sample.name);
      if (domain === undefined) {
        this.#domains.set(sample.name, { sample, integral: new PowerIntegral({ periodUs: this.#periodUs }) });
      } else {
        domain.sample = sample;
      }
    }
    let estimated = false;
    const domains: EnergyDomain[] = [];
    for (const domain of this.#domains.values()) {
      const { name, feeds, inTotal, watts } = domain.sample;
      if (watts === null) estimated ||= inTotal;
      else domain.integral.add(watts, atUs);
      domains.push({ name, joules: domain.integral.joules, watts: watts ?? 0, feeds, inTotal });
    }
    estimated ||= this.#gaps() > gapsBefore;
    this.latest = readingOf(atUs, domains, estimated);
    return this.latest;
  }

  /** What comes next is not joined to what was. */
  interrupt(): void {
    for (const domain of this.#domains.values()) domain.integral.interrupt();
  }

  #gaps(): number {
    let gaps = 0;
    for (const domain of this.#domains.values()) if (domain.sample.inTotal) gaps += domain.integral.gaps;
    return gaps;
  }
}
