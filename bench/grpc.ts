import { startConstantGrpcServer } from './lib/constant-server.js';
import { Ghz, type GhzFigures } from './lib/ghz.js';
import { grpcLoad } from './lib/grpc-load.js';
import { load } from './lib/load.js';
import { registerNoOp } from './lib/noop.js';
import { secondsBetween, threadTimes } from './lib/processes.js';
import { startRelay } from './lib/relay.js';
import { atLeast, atMost, type Bench, type BenchOptions, type BenchResult, machine, median } from './lib/result.js';
import { startWorker } from './lib/worker-process.js';

/**
 * The gRPC edge and all behind it: a no-op Python function invoked by ghz (grpc-go) and by our own client, over one connection. Beside it, by the same clients, a bare
 * `node:http2` server and grpc-js, both of which answer a constant; and the C relay that reaches the same Python agents, by its own C client.
 */
export const bench: Bench = {
  name: 'grpc',
  title: 'gRPC edge, unary invoke of a no-op Python function over one connection, ghz and our own client',
  run,
};

const CLIENTS = [1, 32, 64];
const CLIENTS_LONG = [1, 2, 4, 8, 16, 32, 64];
/** More than cores, so that an agent is ready when a request comes; as in the bench `http`. */
const CONTAINERS = 8;

/** Only what is compared; `cpuUs`: of the server's process, for each call. */
type Measured = Pick<GhzFigures, 'throughput' | 'p50Us' | 'p99Us'> & { cpuUs: number };
type Server = 'ours' | 'http2' | 'grpc-js' | 'relay';
type Client = 'ghz' | 'own client' | 'C client';

async function run({ long, log }: BenchOptions): Promise<BenchResult> {
  const rounds = 5;
  const seconds = long ? 2 : 0.5;
  const ghz = await Ghz.ready();
  await using relay = await startRelay(CONTAINERS);
  await using http2 = await startConstantGrpcServer('http2');
  await using grpcJs = await startConstantGrpcServer('grpc-js');
  const config = { http: { enabled: false }, grpc: { enabled: true, port: 0 }, cpu: { slots: CONTAINERS } };
  await using worker = await startWorker(config);
  await registerNoOp(worker, CONTAINERS);
  const { grpcAddress } = worker;
  if (grpcAddress === null) throw new Error('the worker serves no gRPC');
  const servers: [Server, string, number][] = [
    ['ours', grpcAddress, worker.pid],
    ['http2', http2.address, http2.pid],
    ['grpc-js', grpcJs.address, grpcJs.pid],
  ];
  for (const [, address] of servers) {
    await ghz.load(address, 8, 1, GHZ_REQUEST);
    await grpcLoad(address, 8, 1, REQUEST);
  }
  const clientCounts = long ? CLIENTS_LONG : CLIENTS;
  const figures = new Figures();
  for (let round = 0; round < rounds; round++) {
    log(`round ${round + 1} of ${rounds}`);
    for (const clients of clientCounts) {
      figures.add('relay', 'C client', clients, { ...(await load(relay.socket, clients, seconds)), cpuUs: Number.NaN });
      for (const [server, address, pid] of servers) {
        const byGhz = await withCpu(pid, () => ghz.load(address, clients, seconds, GHZ_REQUEST));
        figures.add(server, 'ghz', clients, byGhz);
        const byOwn = await withCpu(pid, () => grpcLoad(address, clients, seconds, REQUEST));
        figures.add(server, 'own client', clients, byOwn);
      }
    }
  }
  return summarise(clientCounts, figures);
}

/** Also what the server's process took of the processors; unlike all the rest it hardly depends on what else the machine does. */
async function withCpu(pid: number, measure: () => Promise<GhzFigures>): Promise<Measured> {
  const before = threadTimes([pid]);
  const figures = await measure();
  return { ...figures, cpuUs: (secondsBetween(before, threadTimes([pid])) * 1e6) / figures.calls };
}

const REQUEST = { functionName: 'noop', functionVersion: '1', jsonArgs: '{"name":"world"}' };
const GHZ_REQUEST = { function_name: 'noop', function_version: '1', json_args: '{"name":"world"}' };

function summarise(clientCounts: readonly number[], figures: Figures): BenchResult {
  const result: BenchResult = {
    name: 'grpc',
    machine: machine(),
    figures: {},
    floor: {},
    ratios: {},
    targets: [],
    notes: [],
  };
  const row = (name: string, ours: number, floor: number): void => {
    result.figures[name] = ours;
    result.floor[name] = floor;
    result.ratios[name] = ours / floor;
  };
  for (const clients of clientCounts) {
    const many = `${clients} client${clients === 1 ? '' : 's'}`;
    for (const client of ['ghz', 'own client'] as const) {
      for (const [key, unit] of [...UNITS, CPU]) {
        const median = (server: Server): number => figures.median(server, client, clients, key);
        row(`${client}, ${many}, ${unit}`, median('ours'), median('http2'));
        if (key === 'throughput' || key === 'cpuUs')
          row(`${client}, ${many}, ${unit}, grpc-js`, median('ours'), median('grpc-js'));
      }
    }
    for (const [key, unit] of UNITS) {
      const ours = figures.median('ours', 'ghz', clients, key);
      row(`ghz, ${many}, ${unit}, relay`, ours, figures.median('relay', 'C client', clients, key));
    }
  }
  addTargets(result);
  result.notes.push(
    `floor: a bare node:http2 server that answers a constant; where the row says so, grpc-js that answers a constant, or the C relay by its own C client; ${CONTAINERS} containers; all on the same cores`,
  );
  return result;
}

function addTargets({ ratios, targets }: BenchResult): void {
  const ratio = (name: string): number => ratios[name] ?? Number.NaN;
  for (const client of ['ghz', 'own client'] as const) {
    const name = `${client}, 32 clients, calls/s`;
    targets.push(
      atLeast(`${name} / node:http2's`, ratio(name), 0.5),
      atLeast(`${name} / grpc-js's`, ratio(`${name}, grpc-js`), 2),
    );
  }
  targets.push(atMost("ghz, 1 client, p50 / relay's", ratio('ghz, 1 client, p50 µs, relay'), 5));
  for (const clients of [32, 64]) {
    const name = `ghz, ${clients} clients, calls/s`;
    targets.push(atLeast(`${name} / relay's`, ratio(`${name}, relay`), 0.25));
  }
}

const UNITS = [
  ['throughput', 'calls/s'],
  ['p50Us', 'p50 µs'],
  ['p99Us', 'p99 µs'],
] as const;

const CPU = ['cpuUs', 'server CPU µs a call'] as const;

class Figures {
  readonly #rounds = new Map<string, Measured[]>();

  add(server: Server, client: Client, clients: number, figures: Measured): void {
    const key = `${server} ${client} ${clients}`;
    const rounds = this.#rounds.get(key) ?? [];
    this.#rounds.set(key, rounds);
    rounds.push(figures);
  }

  median(server: Server, client: Client, clients: number, key: keyof Measured): number {
    return median((this.#rounds.get(`${server} ${client} ${clients}`) ?? []).map((figures) => figures[key]));
  }
}
