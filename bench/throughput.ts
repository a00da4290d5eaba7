import { load } from './lib/load.js';
import { registerNoOp } from './lib/noop.js';
import { startRelay } from './lib/relay.js';
import { atLeast, type Bench, type BenchOptions, type BenchResult, machine, median } from './lib/result.js';
import { startWorker, type WorkerProcess } from './lib/worker-process.js';

/** Closed loop, 1…64 clients, 2 and 8 containers: throughput must rise to its peak and stay there (no scaling collapse). */
export const bench: Bench = {
  name: 'throughput',
  title: 'Closed loop, unix socket, no-op Python function, invocations/s',
  run,
};

const CLIENTS = [1, 2, 4, 8, 16, 32, 64];

async function run({ long }: BenchOptions): Promise<BenchResult> {
  const rounds = long ? 9 : 5;
  const seconds = long ? 1.5 : 0.25;
  const result: BenchResult = {
    name: 'throughput',
    machine: machine(),
    figures: {},
    floor: {},
    ratios: {},
    targets: [],
    notes: [],
  };
  for (const containers of [2, 8]) await sweep(result, containers, rounds, seconds);
  await logging(result, rounds, seconds);
  return result;
}

async function sweep(result: BenchResult, containers: number, rounds: number, seconds: number): Promise<void> {
  await using relay = await startRelay(containers);
  await using worker = await startBusyWorker(containers, false);
  const ours = new Map<number, number[]>();
  const floor = new Map<number, number[]>();
  for (let round = 0; round < rounds; round++) {
    for (const clients of CLIENTS) {
      push(floor, clients, (await load(relay.socket, clients, seconds)).throughput);
      push(ours, clients, (await load(worker.socket, clients, seconds)).throughput);
    }
  }
  const peak = { ours: 0, floor: 0 };
  for (const clients of CLIENTS) {
    const name = `${containers} containers, ${clients} clients`;
    const mine = median(ours.get(clients) ?? []);
    const relays = median(floor.get(clients) ?? []);
    result.figures[name] = mine;
    result.floor[name] = relays;
    result.ratios[name] = mine / relays;
    peak.ours = Math.max(peak.ours, mine);
    peak.floor = Math.max(peak.floor, relays);
  }
  const last = result.figures[`${containers} containers, 64 clients`] as number;
  result.targets.push(
    atLeast(`${containers} containers: peak / floor's peak`, peak.ours / peak.floor, 0.7),
    atLeast(`${containers} containers: at 64 clients / own peak`, last / peak.ours, 0.95),
  );
}

/** What a log line per invocation costs at 32 clients. */
async function logging(result: BenchResult, rounds: number, seconds: number): Promise<void> {
  await using quiet = await startBusyWorker(2, false);
  await using talking = await startBusyWorker(2, true);
  const off: number[] = [];
  const on: number[] = [];
  for (let round = 0; round < rounds; round++) {
    off.push((await load(quiet.socket, 32, seconds)).throughput);
    on.push((await load(talking.socket, 32, seconds)).throughput);
  }
  result.figures['32 clients, a log line each'] = median(on);
  result.floor['32 clients, a log line each'] = median(off);
  result.ratios['32 clients, a log line each'] = median(on) / median(off);
  result.notes.push(
    '"a log line each" has the same worker without that line as its floor; all other floors are bench/floor/relay.c',
  );
}

async function startBusyWorker(containers: number, lines: boolean): Promise<WorkerProcess> {
  const worker = await startWorker({
    http: { enabled: false },
    cpu: { slots: containers },
    log: { invocations: lines },
  });
  await registerNoOp(worker, containers);
  return worker;
}

function push(map: Map<number, number[]>, key: number, value: number): void {
  const values = map.get(key) ?? [];
  map.set(key, values);
  values.push(value);
}
