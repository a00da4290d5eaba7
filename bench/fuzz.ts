import { generateCase } from '../src/sim/fuzz/generate.js';
import { runCase } from '../src/sim/fuzz/run-case.js';
import { atLeast, type Bench, machine, median } from './lib/result.js';

/** Histories of 1,000 invocations with faults, over all policies, the engine's books checked after every event: seeds a second on one core. */

const INVOCATIONS = 1000;
const SEEDS = 200;

function perSecond(first: number, everyEvent: boolean): number {
  const start = process.hrtime.bigint();
  for (let seed = first; seed < first + SEEDS; seed++) {
    const failure = runCase(generateCase(seed, INVOCATIONS), { everyEvent });
    if (failure !== null) throw new Error(`seed ${seed} fails: ${failure.problems.join('; ')}`);
  }
  return SEEDS / (Number(process.hrtime.bigint() - start) / 1e9);
}

export const bench: Bench = {
  name: 'fuzz',
  title: 'Random histories with faults on every policy, invariants checked after every event',
  run({ long, log }) {
    const checked: number[] = [];
    const unchecked: number[] = [];
    for (let round = 0; round < (long ? 11 : 4); round++) {
      // The same seeds each round: what differs between rounds is the machine, not the histories.
      const now = perSecond(1, true);
      log(`round ${round}: ${now.toFixed(1)} seeds/s`);
      const floor = perSecond(1, false);
      if (round === 0) continue;
      checked.push(now);
      unchecked.push(floor);
    }
    const seedsPerSecond = median(checked);
    const floorPerSecond = median(unchecked);
    return Promise.resolve({
      name: 'fuzz',
      machine: machine(),
      figures: { seedsPerSecond },
      floor: { seedsPerSecond: floorPerSecond },
      ratios: { seedsPerSecond: floorPerSecond / seedsPerSecond },
      targets: [atLeast('seeds of 1,000 invocations a second', seedsPerSecond, 200)],
      notes: ['floor: the same histories with only their ends checked'],
    });
  },
};
