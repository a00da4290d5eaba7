import { load } from './lib/load.js';
import { registerNoOp } from './lib/noop.js';
import { startRelay } from './lib/relay.js';
import { atMost, type Bench, type BenchOptions, type BenchResult, machine, median } from './lib/result.js';
import { startWorker } from './lib/worker-process.js';

/** One client, one warm no-op Python function, over the unix socket: what the worker adds to the four wake-ups that the C relay needs too. */
export const bench: Bench = {
  name: 'warm',
  title: 'Warm invocation, 1 client, unix socket, no-op Python function',
  run,
};

async function run({ long }: BenchOptions): Promise<BenchResult> {
  const rounds = long ? 15 : 7;
  const seconds = long ? 4 : 2;
  await using relay = await startRelay(1);
  await using worker = await startWorker({ http: { enabled: false } });
  await registerNoOp(worker, 1);
  const ours = [];
  const floor = [];
  for (let round = 0; round < rounds; round++) {
    floor.push(await load(relay.socket, 1, seconds));
    ours.push(await load(worker.socket, 1, seconds));
  }
  const figures = {
    'p50 µs': median(ours.map((f) => f.p50Us)),
    'p99 µs': median(ours.map((f) => f.p99Us)),
    'invocations/s': median(ours.map((f) => f.throughput)),
  };
  const floors = {
    'p50 µs': median(floor.map((f) => f.p50Us)),
    'p99 µs': median(floor.map((f) => f.p99Us)),
    'invocations/s': median(floor.map((f) => f.throughput)),
  };
  const ratios = {
    'p50 µs': figures['p50 µs'] / floors['p50 µs'],
    'p99 µs': figures['p99 µs'] / floors['p99 µs'],
    'invocations/s': figures['invocations/s'] / floors['invocations/s'],
  };
  return {
    name: 'warm',
    machine: machine(),
    figures,
    floor: floors,
    ratios,
    targets: [atMost('p50 / floor', ratios['p50 µs'], 1.5), atMost('p99 / floor p99', ratios['p99 µs'], 3)],
    notes: ['floor: bench/floor/relay.c, an epoll relay with the same frames and the same agents, outside any sandbox'],
  };
}
