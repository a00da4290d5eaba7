import { startConstantServer } from './lib/constant-server.js';
import { loadRequests } from './lib/load.js';
import { registerNoOp } from './lib/noop.js';
import { secondsBetween, threadTimes } from './lib/processes.js';
import { atMost, type Bench, type BenchOptions, type BenchResult, machine, median } from './lib/result.js';
import { startWorker, type WorkerProcess } from './lib/worker-process.js';

/**
 * What traces cost a worker: CPU time for each invocation without them, with one in a hundred, with all, and with all for a collector that is not there. Not its throughput, which the containers and whoever
 * takes the spans have a part in; and without busy-waiting, which takes whatever time is left.
 */
export const bench: Bench = {
  name: 'tracing',
  title: 'CPU time of the worker per invocation with traces, unix socket, no-op Python function, µs',
  run,
};

const CLIENTS = 8;

async function run({ long }: BenchOptions): Promise<BenchResult> {
  const rounds = long ? 9 : 5;
  const requests = long ? 40_000 : 8000;
  const result: BenchResult = {
    name: 'tracing',
    machine: machine(),
    figures: {},
    floor: {},
    ratios: {},
    targets: [],
    notes: ['floor: the worker without traces, in turns with the others'],
  };
  await using collector = await startConstantServer('');
  const endpoint = `${collector.url}v1/traces`;
  await using off = await startTraced({ enabled: false });
  await using some = await startTraced({ enabled: true, endpoint, sampling: { ratio: 0.01 } });
  await using all = await startTraced({ enabled: true, endpoint });
  // A port that nobody listens on: 1 is reserved for a service that no system has.
  await using alone = await startTraced({ enabled: true, endpoint: 'http://127.0.0.1:1/v1/traces' });
  const others: [string, WorkerProcess][] = [
    ['one in a hundred', some],
    ['all', all],
    ['all, no collector', alone],
  ];
  const floor: number[] = [];
  const figures = others.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    floor.push(await cost(off, requests));
    for (const [index, [, worker]] of others.entries()) figures[index]?.push(await cost(worker, requests));
  }
  for (const [index, [name]] of others.entries()) {
    result.figures[name] = median(figures[index] as number[]);
    result.floor[name] = median(floor);
    result.ratios[name] = (result.figures[name] as number) / (result.floor[name] as number);
  }
  result.targets.push(
    atMost('one in a hundred / none', result.ratios['one in a hundred'] as number, 1.5),
    atMost('all / none', result.ratios['all'] as number, 3),
  );
  const { counters } = await all.client.status();
  const { traceSpansSent: sent, tracesDropped: dropped } = counters;
  result.notes.push(`all: ${sent} spans sent, ${dropped} traces dropped for want of room`);
  return result;
}

/** µs for each. */
async function cost(worker: WorkerProcess, requests: number): Promise<number> {
  const before = threadTimes([worker.pid]);
  const { answered } = await loadRequests(worker.socket, CLIENTS, requests);
  return (secondsBetween(before, threadTimes([worker.pid])) * 1e6) / answered;
}

async function startTraced(tracing: NonNullable<Parameters<typeof startWorker>[0]>['tracing']): Promise<WorkerProcess> {
  const worker = await startWorker({
    http: { enabled: false },
    cpu: { slots: 2 },
    transport: { spinUs: 0 },
    tracing,
  });
  await registerNoOp(worker, 2);
  return worker;
}
