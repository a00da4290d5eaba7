import { type ChildProcess, fork } from 'node:child_process';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { workerConfigSchema } from '../src/config/schema.js';
import type { Gateway, GatewayResult, GatewaySink } from '../src/server/gateway.js';
import { startHttpEdge } from '../src/server/http/edge.js';
import { atLeast, type Bench, type BenchOptions, type BenchResult, machine, median, percentile } from './lib/result.js';

/**
 * What the HTTP edge itself costs: its invoke route in front of a gateway that answers at once, against a bare `node:http` server that answers a constant without looking at
 * the request. Each in a process of its own; the rounds are interleaved, so that a noisy machine disturbs both alike.
 */

const BODY = '{"name":"world"}';
const RESULT = Buffer.from('{"greeting":"Hello, world!"}');
const REQUEST = Buffer.from(
  `POST /functions/hello/1/invoke HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n` +
    `content-length: ${BODY.length}\r\n\r\n${BODY}`,
);
const CLIENTS = [1, 8, 32, 64];

class AtOnce implements Gateway {
  resolve(name: string): number {
    return name === 'hello' ? 1 : 0;
  }

  timeoutMs(): number {
    return 60_000;
  }

  invoke(
    _handle: number,
    _payload: number | Uint8Array | string,
    _ms: number,
    _tid: string,
    sink: GatewaySink,
  ): number {
    const result: GatewayResult = {
      errorClass: null,
      message: null,
      details: null,
      payload: RESULT,
      tid: 'a1b2c3d4e5f600000001',
      queueUs: 3,
      startUs: 0,
      runUs: 25,
      throttledUs: 0,
      attempts: 1,
      state: 'warm',
    };
    sink.settled(result);
    return 0;
  }

  abandon(): void {}

  async call(): Promise<unknown> {
    return {};
  }

  body(): Buffer {
    return RESULT;
  }

  drop(): void {}
}

type Kind = 'edge' | 'bare';

async function serve(kind: Kind): Promise<void> {
  let port: number;
  if (kind === 'edge') {
    const config = { ...workerConfigSchema.parse({}).http, port: 0 };
    port = (await startHttpEdge({ gateway: new AtOnce(), config, log: pino({ level: 'silent' }) })).port;
  } else {
    const server = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': RESULT.length });
      response.end(RESULT);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  }
  process.send?.(port);
}

interface Round {
  perSecond: number;
  p50Us: number;
  p99Us: number;
}

/** Closed loop: each connection sends its next request when its answer is whole. All answers have the same length, so counting bytes is enough. */
async function load(port: number, clients: number, ms: number, answerBytes: number): Promise<Round> {
  const latencies: number[] = [];
  const sockets: Socket[] = [];
  let running = true;
  const started = process.hrtime.bigint();
  await Promise.all(
    Array.from({ length: clients }, () => {
      const socket = connect(port, '127.0.0.1');
      socket.setNoDelay(true);
      sockets.push(socket);
      return new Promise<void>((resolve, reject) => {
        let sentAt = 0n;
        let missing = answerBytes;
        const send = (): void => {
          sentAt = process.hrtime.bigint();
          socket.write(REQUEST);
        };
        socket.on('connect', send);
        socket.on('error', reject);
        socket.on('data', (chunk) => {
          missing -= chunk.length;
          if (missing > 0) return;
          if (missing < 0) return reject(new Error('an answer had an unexpected length'));
          latencies.push(Number(process.hrtime.bigint() - sentAt) / 1000);
          missing = answerBytes;
          if (running) send();
          else resolve();
        });
        setTimeout(() => {
          running = false;
        }, ms);
      });
    }),
  );
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  for (const socket of sockets) socket.destroy();
  return {
    perSecond: latencies.length / seconds,
    p50Us: percentile(latencies, 50),
    p99Us: percentile(latencies, 99),
  };
}

/** Bytes of one whole answer, which also proves that there is one. */
function answerBytes(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(REQUEST));
    let received = '';
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      if (!received.endsWith(RESULT.toString())) return;
      socket.destroy();
      if (received.startsWith('HTTP/1.1 200')) resolve(received.length);
      else reject(new Error(received));
    });
  });
}

function start(kind: Kind): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(fileURLToPath(import.meta.url), ['--serve', kind], { stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.once('message', (port) => resolve({ child, port: port as number }));
    child.once('exit', (code) => reject(new Error(`the ${kind} server ended with ${code}`)));
  });
}

const KINDS = ['edge', 'bare'] as const;

async function measure({ long, log }: BenchOptions): Promise<BenchResult> {
  const rounds = long ? 15 : 5;
  const ms = long ? 2000 : 500;
  const result: BenchResult = {
    name: bench.name,
    machine: machine(),
    figures: {},
    floor: {},
    ratios: {},
    targets: [],
    notes: ['The client runs on the same cores; both sides pay for it alike.'],
  };
  const servers: { child: ChildProcess; port: number }[] = [];
  try {
    for (const kind of KINDS) servers.push(await start(kind));
    const [edge, bare] = await Promise.all(
      servers.map(async ({ port }) => {
        const bytes = await answerBytes(port);
        return (clients: number, ms: number) => load(port, clients, ms, bytes);
      }),
    );
    if (edge === undefined || bare === undefined) throw new Error('a server did not start');
    for (const run of [edge, bare]) await run(8, 1000);
    for (const clients of CLIENTS) {
      log(`${clients} clients`);
      const ours: Round[] = [];
      const floor: Round[] = [];
      for (let round = 0; round < rounds; round++) {
        ours.push(await edge(clients, ms));
        floor.push(await bare(clients, ms));
      }
      for (const key of ['perSecond', 'p50Us', 'p99Us'] as const) {
        const name = `${key}@${clients}`;
        const figure = median(ours.map((round) => round[key]));
        const against = median(floor.map((round) => round[key]));
        result.figures[name] = figure;
        result.floor[name] = against;
        result.ratios[name] = figure / against;
      }
    }
  } finally {
    for (const { child } of servers) child.kill();
  }
  // Half is what the edge may cost, so that the whole worker behind it can stay above 0.3 of a bare server.
  result.targets.push(
    atLeast('requests a second at 32 clients, of a bare server', result.ratios['perSecond@32'] ?? 0, 0.5),
  );
  return result;
}

export const bench: Bench = {
  name: 'http-edge',
  title:
    'The HTTP edge in front of a gateway that answers at once, against a bare node:http server that answers a constant',
  run: measure,
};

const role = process.argv.indexOf('--serve');
if (role > 0) await serve(process.argv[role + 1] as Kind);
