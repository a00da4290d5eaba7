import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { evictionPolicies } from '../src/core/pool/eviction/policies.js';
import type { EvictionFigures } from './lib/eviction-rounds.js';
import { atMost, type Bench, machine, median, type Target } from './lib/result.js';

/**
 * What one eviction costs among many idle containers: name the victim, take it out, let a new container become idle in its place. Beside each policy the
 * floor: the same containers through an array-backed queue. Before every round some of the containers are used, so that a hand or a lazy order has
 * something to pass over.
 */

type PolicyName = keyof typeof evictionPolicies;
const CONSTANT: readonly PolicyName[] = ['lru', 'ttl', 'sieve', 's3_fifo'];
const LOGARITHMIC: readonly PolicyName[] = ['ttl', 'greedy_dual', 'gdsf', 'hybrid_histogram', 'sieve'];
/** What O(log n) grows by from 10² to 10⁵. */
const LOGARITHMIC_GROWTH = Math.log(1e5) / Math.log(1e2);

const ROUNDS = fileURLToPath(new URL('./lib/eviction-rounds.ts', import.meta.url));

function figuresOf(name: string, rounds: number): EvictionFigures {
  const child = spawnSync(process.execPath, [...process.execArgv, ROUNDS, name, String(rounds)], { encoding: 'utf8' });
  if (child.status !== 0) throw new Error(`${name} was not measured: ${child.stderr}`);
  return JSON.parse(child.stdout) as EvictionFigures;
}

export const bench: Bench = {
  name: 'eviction',
  title: 'Eviction policies: name and take out a victim among 100,000 idle containers, and let a new one become idle',
  run({ long, log }) {
    const figures: Record<string, number> = {};
    const ratios: Record<string, number> = {};
    const floors: number[] = [];
    const targets: Target[] = [];
    let lruGrowth = Number.NaN;
    for (const name of Object.keys(evictionPolicies) as PolicyName[]) {
      log(name);
      const { evictNs, evictFewNs, warmNs, floorNs } = figuresOf(name, long ? 61 : 15);
      figures[`${name} evictNs`] = evictNs;
      figures[`${name} evictFewNs`] = evictFewNs;
      figures[`${name} warmNs`] = warmNs;
      ratios[`${name} evictNs`] = evictNs / floorNs;
      floors.push(floorNs);
      const growth = evictNs / evictFewNs;
      if (name === 'lru') lruGrowth = growth;
      if (CONSTANT.includes(name)) targets.push(atMost(`${name}: choose and evict, ns`, evictNs, 2000));
      if (!LOGARITHMIC.includes(name)) continue;
      targets.push(atMost(`${name}: growth from 10² to 10⁵, to that of lru`, growth / lruGrowth, LOGARITHMIC_GROWTH));
    }
    return Promise.resolve({
      name: 'eviction',
      machine: machine(),
      figures,
      floor: { floorNs: median(floors) },
      ratios,
      targets,
      notes: [
        'evictNs: among 10⁵ idle; evictFewNs: among 10²; warmNs: leave and idle of one among 10⁵, chosen at random',
        'floor: the same containers through an array-backed queue; each ratio is to the floor of the same process',
        `lru does the same work for every number and grows ${lruGrowth.toFixed(1)}-fold, as its containers leave the cache; the others are held against that`,
      ],
    });
  },
};
