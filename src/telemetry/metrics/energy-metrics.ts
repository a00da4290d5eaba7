import type { EnergyStatus } from '../../config/api.js';
import type { MetricDefinition, Sample, Scrape } from './metric.js';

/** Of the machine's energy, where the worker reads it (`energy.source`); no samples where it does not. */
export const ENERGY_METRICS: readonly MetricDefinition[] = [
  {
    name: 'iluvatar_energy_joules_total',
    kind: 'counter',
    help: 'Energy that was measured, by whom it was given to: invocations, idle (the machine when nothing runs), other (the worker itself, other processes)',
    labels: ['part'],
    samples: (scrape) =>
      read(scrape, ({ joules: { invocations, idle, other } }) =>
        Object.entries({ invocations, idle, other }).map(([part, value]) => ({ labels: { part }, value })),
      ),
  },
  {
    name: 'iluvatar_power_watts',
    kind: 'gauge',
    help: 'Mean power of the latest interval, of the idle machine, and what one busy core and one busy GPU add; no samples of readings that are too old',
    labels: ['part'],
    samples: (scrape) =>
      read(scrape, ({ stale, power: { watts: total, idleWatts: idle, wattsPerCore: core, wattsPerGpu: gpu } }) =>
        stale ? [] : Object.entries({ total, idle, core, gpu }).map(([part, value]) => ({ labels: { part }, value })),
      ),
  },
  {
    name: 'iluvatar_energy_age_seconds',
    kind: 'gauge',
    help: 'Age of the latest reading',
    labels: [],
    samples: (scrape) => read(scrape, ({ ageMs }) => (ageMs === null ? [] : [{ value: ageMs / 1000 }])),
  },
  {
    name: 'iluvatar_power_cap_watts',
    kind: 'gauge',
    help: 'Power cap, and the mean power of this period as it is projected; no samples without a cap',
    labels: ['part'],
    samples: ({ status: { powerCap } }) =>
      powerCap === null
        ? []
        : [
            { labels: { part: 'cap' }, value: powerCap.capWatts },
            { labels: { part: 'projected' }, value: powerCap.projectedWatts },
          ],
  },
  {
    name: 'iluvatar_power_cap_holds_total',
    kind: 'counter',
    help: 'Times that the head of a queue waited for the power cap, and those of them that lasted as long as they may (forced)',
    labels: ['kind'],
    samples: ({ status: { powerCap } }) =>
      powerCap === null
        ? []
        : [
            { labels: { kind: 'all' }, value: powerCap.holds },
            { labels: { kind: 'forced' }, value: powerCap.forced },
          ],
  },
];

function read({ status }: Scrape, samples: (energy: EnergyStatus) => Sample[]): Sample[] {
  return status.energy === null ? [] : samples(status.energy);
}
