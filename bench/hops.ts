import { fileURLToPath } from 'node:url';
import { startHopWorker } from './lib/hops.js';
import { atMost, type Bench, type BenchOptions, type BenchResult, machine, median } from './lib/result.js';

/**
 * Promises and microtasks of a warm invocation, from the edge that receives INVOKE to the RESULT sent. Each promise is an allocation and a turn through the microtask queue: what creeps
 * in here shows up later as latency that no profile names.
 */
export const bench: Bench = {
  name: 'hops',
  title: 'Promises and microtasks per warm invocation, worker side, unix socket',
  run,
};

const ENTRY = fileURLToPath(new URL('../dist/index.js', import.meta.url));
const CLIENTS = [1, 32];
const KINDS = ['promises', 'continuations', 'microtasks', 'ticks'] as const;

async function run({ long }: BenchOptions): Promise<BenchResult> {
  const requests = long ? 20_000 : 5000;
  const rounds = 5;
  const result: BenchResult = {
    name: 'hops',
    machine: machine(),
    figures: {},
    floor: {},
    ratios: {},
    targets: [],
    notes: [
      'floor: bench/floor/relay.c, which has none; the memory sampler (every 500 ms while something runs) is counted',
    ],
  };
  await using worker = await startHopWorker({ entry: ENTRY });
  for (const clients of CLIENTS) {
    const counted = [];
    for (let round = 0; round < rounds; round++) counted.push(await worker.count(requests, clients));
    for (const kind of KINDS) {
      const name = `${clients} client${clients === 1 ? '' : 's'}, ${kind}`;
      result.figures[name] = median(counted.map(({ each }) => each[kind]));
      result.floor[name] = 0;
    }
    const promises = result.figures[`${clients} client${clients === 1 ? '' : 's'}, promises`] as number;
    result.targets.push(atMost(`promises per invocation at ${clients}`, promises, 1));
    if (promises > 1) result.notes.push(...(counted[0]?.places ?? []));
  }
  return result;
}
