import { WrappingCounter } from './counter.js';
import type { EnergyDomain, EnergyReading } from './energy-source.js';
import { readingOf } from './reading.js';

/** One counter of energy, and where it is read. */
export interface CountedDomain extends Pick<EnergyDomain, 'name' | 'feeds' | 'inTotal'> {
  /** It begins again at 0 there; in its units. */
  readonly range: number;
  readonly joulesPerUnit: number;
  /** More power than that it cannot draw. */
  readonly mostWatts: number;
  /** In its units. Throws what the system says. */
  read(): number;
}

/** Readings out of counters of energy. A counter that cannot be read for once keeps its joules, and the reading is flagged; when none of the total can be read, there is no reading. */
export class CounterMeter {
  readonly #domains: readonly { readonly spec: CountedDomain; readonly counter: WrappingCounter; watts: number }[];
  #atUs = Number.NaN;

  constructor(domains: readonly CountedDomain[]) {
    this.#domains = domains.map((spec) => ({
      spec,
      counter: new WrappingCounter({ range: spec.range, mostPerSecond: spec.mostWatts / spec.joulesPerUnit }),
      watts: 0,
    }));
  }

  /** Throws the first failure when nothing of the total could be read. */
  read(): EnergyReading {
    const atUs = performance.now() * 1000;
    const elapsedUs = atUs - this.#atUs;
    let failure: unknown = null;
    let read = 0;
    let estimated = false;
    for (const domain of this.#domains) {
      const { spec, counter } = domain;
      const missed = counter.missed;
      try {
        const joules = counter.add(spec.read(), atUs) * spec.joulesPerUnit;
        if (elapsedUs > 0) domain.watts = joules / (elapsedUs / 1e6);
        if (spec.inTotal) read++;
      } catch (error) {
        failure ??= error;
        domain.watts = 0;
        if (spec.inTotal) estimated = true;
      }
      if (spec.inTotal && counter.missed > missed) estimated = true;
    }
    if (read === 0) throw failure;
    this.#atUs = atUs;
    const domains = this.#domains.map(({ spec: { name, feeds, inTotal, joulesPerUnit }, counter, watts }) => ({
      name,
      joules: counter.total * joulesPerUnit,
      watts,
      feeds,
      inTotal,
    }));
    return readingOf(atUs, domains, estimated);
  }
}
