import { simulate } from '../src/sim/simulate.js';
import { atMost, type Bench, machine, median } from './lib/result.js';
import { heapFloorNs, sparseTrace } from './lib/simulated-load.js';

/** What a long time costs in which little happens: nothing, beyond what does happen. */

const CONFIGS = {
  lru: { keepAlive: { policy: 'lru' } },
  // Less than a minute: each container expires and each invocation is cold, so that deadlines are met as often as arrivals.
  ttl: { keepAlive: { policy: 'ttl', ttlMs: 30_000 } },
} as const;

async function seconds(config: (typeof CONFIGS)[keyof typeof CONFIGS]): Promise<number> {
  const trace = sparseTrace();
  const start = process.hrtime.bigint();
  await simulate({ trace, config }).summary();
  return Number(process.hrtime.bigint() - start) / 1e9;
}

export const bench: Bench = {
  name: 'sim-sparse',
  title: 'A day in which each of 100 functions is called once a minute, on a virtual clock',
  async run({ long }) {
    const lru: number[] = [];
    const ttl: number[] = [];
    const floor: number[] = [];
    for (let round = 0; round < (long ? 15 : 5); round++) {
      lru.push(await seconds(CONFIGS.lru));
      ttl.push(await seconds(CONFIGS.ttl));
      floor.push((heapFloorNs(144_000, 2) * 144_000) / 1e9);
    }
    const [lruSeconds, ttlSeconds, floorSeconds] = [median(lru), median(ttl), median(floor)];
    return {
      name: 'sim-sparse',
      machine: machine(),
      figures: { lruSeconds, ttlSeconds },
      floor: { lruSeconds: floorSeconds },
      ratios: { lruSeconds: lruSeconds / floorSeconds },
      targets: [
        atMost('24 h and 144,000 invocations, s of wall time', lruSeconds, 1),
        atMost('the same with every container expiring, s', ttlSeconds, 1),
      ],
      notes: ['floor: as many events taken out of a heap and put into it, and nothing decided'],
    };
  },
};
