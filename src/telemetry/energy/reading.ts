import type { EnergyDomain, EnergyReading } from './energy-source.js';

/** A reading out of its domains: those that count into the total are added up. */
export function readingOf(atUs: number, domains: readonly EnergyDomain[], estimated: boolean): EnergyReading {
  let joules = 0;
  let watts = 0;
  for (const domain of domains) {
    if (!domain.inTotal) continue;
    joules += domain.joules;
    watts += domain.watts;
  }
  return { atUs, joules, watts, estimated, domains };
}
