import { startConstantServer } from './lib/constant-server.js';
import { load } from './lib/load.js';
import { registerNoOp } from './lib/noop.js';
import { startRelay } from './lib/relay.js';
import { atLeast, atMost, type Bench, type BenchOptions, type BenchResult, machine, median } from './lib/result.js';
import { startWorker } from './lib/worker-process.js';
import { Wrk, type WrkFigures } from './lib/wrk.js';

/**
 * The HTTP edge and all behind it: a no-op Python function invoked by wrk over kept-alive connections, beside a bare `node:http` server that answers a
 * constant, and, for the latency of one client, beside the C relay that reaches the same Python agent.
 */
export const bench: Bench = {
  name: 'http',
  title: 'HTTP edge, kept-alive POST of a small JSON body to a no-op Python function, wrk',
  run,
};

const BODY = '{"name":"world"}';
const CLIENTS = [1, 32, 64];
const CLIENTS_LONG = [1, 2, 4, 8, 16, 32, 64];
/** More than cores, so that an agent is ready when a request comes; Nuclio's processor, the peer, was at its best with as many. */
const CONTAINERS = 8;

async function run({ long, log }: BenchOptions): Promise<BenchResult> {
  const rounds = long ? 9 : 5;
  const seconds = long ? 3 : 1;
  using wrk = new Wrk();
  await using relay = await startRelay(1);
  await using bare = await startConstantServer('null');
  await using worker = await startWorker({ cpu: { slots: CONTAINERS } });
  await registerNoOp(worker, CONTAINERS);
  const url = `${worker.httpUrl}/functions/noop/1/invoke`;
  for (const target of [url, bare.url]) await wrk.load(target, 8, 1, BODY);
  log('warmed up; measuring');
  const clientCounts = long ? CLIENTS_LONG : CLIENTS;
  const ours = new Rounds();
  const floor = new Rounds();
  const relayP50: number[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const clients of clientCounts) {
      floor.add(clients, await wrk.load(bare.url, clients, seconds, BODY));
      ours.add(clients, await wrk.load(url, clients, seconds, BODY));
    }
    relayP50.push((await load(relay.socket, 1, seconds / 2)).p50Us);
  }
  return summarise(clientCounts, ours, floor, median(relayP50));
}

function summarise(clientCounts: readonly number[], ours: Rounds, floor: Rounds, relayP50: number): BenchResult {
  const result: BenchResult = {
    name: 'http',
    machine: machine(),
    figures: {},
    floor: {},
    ratios: {},
    targets: [],
    notes: [],
  };
  for (const clients of clientCounts) {
    for (const [key, unit] of UNITS) {
      const name = `${clients} client${clients === 1 ? '' : 's'}, ${unit}`;
      const mine = ours.median(clients, key);
      const bare = floor.median(clients, key);
      result.figures[name] = mine;
      result.floor[name] = bare;
      result.ratios[name] = mine / bare;
    }
  }
  result.floor['relay, 1 client, p50 µs'] = relayP50;
  const share = ours.median(32, 'throughput') / floor.median(32, 'throughput');
  const limit = floor.median(1, 'p50Us') + 1.5 * relayP50;
  result.targets.push(
    atLeast("32 clients: requests/s / bare server's", share, 0.3),
    atMost("1 client: p50 µs, against bare server's + 1.5 × relay's", ours.median(1, 'p50Us'), limit),
  );
  result.notes.push(
    `floor: a bare node:http server that answers a constant; ${CONTAINERS} containers; the client runs on the same cores`,
  );
  return result;
}

const UNITS = [
  ['throughput', 'requests/s'],
  ['p50Us', 'p50 µs'],
  ['p99Us', 'p99 µs'],
] as const;

class Rounds {
  readonly #byClients = new Map<number, WrkFigures[]>();

  add(clients: number, figures: WrkFigures): void {
    const rounds = this.#byClients.get(clients) ?? [];
    this.#byClients.set(clients, rounds);
    rounds.push(figures);
  }

  median(clients: number, key: keyof WrkFigures): number {
    return median((this.#byClients.get(clients) ?? []).map((figures) => figures[key]));
  }
}
