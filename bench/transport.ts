import { type ChildProcess, execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { floorProgram } from './lib/floor.js';
import { atLeast, type Bench, type BenchOptions, type BenchResult, machine, median } from './lib/result.js';

/**
 * The addon's transport against node:net: the same echo of the same frames, each in a process of its own, under the same load program, in interleaved rounds.
 * Processor time is the steadier figure on a busy machine, throughput the one that is promised.
 */

interface Shape {
  name: string;
  clients: number;
  pipeline: number;
}

const SHAPES: Shape[] = [
  { name: '1 socket', clients: 1, pipeline: 1 },
  { name: '32 sockets', clients: 32, pipeline: 1 },
  { name: '32 pipelined', clients: 32, pipeline: 8 },
];
const KINDS = ['addon', 'net'] as const;
type Kind = (typeof KINDS)[number];

interface Server {
  process: ChildProcess;
  path: string;
}

interface Round {
  throughput: number;
  p50Us: number;
  cpuUs: number;
}

const ECHO_SERVER = fileURLToPath(new URL('./lib/echo-server.ts', import.meta.url));
const exec = promisify(execFile);

async function start(kind: Kind, folder: string): Promise<Server> {
  const path = join(folder, kind);
  const process = fork(ECHO_SERVER, [kind, path], { execArgv: ['--import', 'tsx'] });
  await once(process, 'message');
  return { process, path };
}

async function cpuUs(server: Server): Promise<number> {
  server.process.send('cpu');
  const [used] = (await once(server.process, 'message')) as [number];
  return used;
}

async function measure(load: string, server: Server, shape: Shape, seconds: number): Promise<Round> {
  const before = await cpuUs(server);
  const warmup = 500;
  const { stdout } = await exec(load, [
    ...['--socket', server.path, '--clients', String(shape.clients), '--pipeline', String(shape.pipeline)],
    ...['--seconds', String(seconds), '--warmup', String(warmup), '--meta', '{"function":"echo"}', '--body', '{"n":1}'],
  ]);
  const used = (await cpuUs(server)) - before;
  const figures = JSON.parse(stdout) as { requests: number; errors: number; throughput: number; p50Us: number };
  if (figures.errors > 0) throw new Error(`${figures.errors} errors`);
  return { throughput: figures.throughput, p50Us: figures.p50Us, cpuUs: used / (figures.requests + warmup) };
}

export async function run(options: BenchOptions): Promise<BenchResult> {
  const load = floorProgram('load');
  const rounds = options.long ? 11 : 5;
  const seconds = options.long ? 3 : 1;
  const folder = mkdtempSync(join(tmpdir(), 'ilu-bench-transport-'));
  const servers: Partial<Record<Kind, Server>> = {};
  const seen = new Map<string, Round[]>();
  try {
    for (const kind of KINDS) servers[kind] = await start(kind, folder);
    for (let round = 0; round <= rounds; round++) {
      options.log(round === 0 ? 'warming up' : `round ${round} of ${rounds}`);
      for (const shape of SHAPES) {
        // The one that begins changes, so that neither always has the warmer machine.
        for (const kind of round % 2 === 0 ? KINDS : [...KINDS].reverse()) {
          const result = await measure(load, servers[kind] as Server, shape, round === 0 ? 0.3 : seconds);
          const key = `${kind} ${shape.name}`;
          if (round > 0) seen.set(key, [...(seen.get(key) ?? []), result]);
        }
      }
    }
  } finally {
    for (const server of Object.values(servers)) server.process.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
  return result(seen);
}

function result(seen: Map<string, Round[]>): BenchResult {
  const figures: Record<string, number> = {};
  const floor: Record<string, number> = {};
  const ratios: Record<string, number> = {};
  for (const shape of SHAPES) {
    for (const [measured, unit] of [
      ['throughput', 'a second'],
      ['p50Us', 'p50 µs'],
      ['cpuUs', 'server CPU µs each'],
    ] as const) {
      const name = `${shape.name}: ${unit}`;
      const ours = (seen.get(`addon ${shape.name}`) ?? []).map((round) => round[measured]);
      const theirs = (seen.get(`net ${shape.name}`) ?? []).map((round) => round[measured]);
      figures[name] = median(ours);
      floor[name] = median(theirs);
      // Of rounds that ran side by side, so that a disturbance meets both.
      ratios[name] = median(ours.map((value, i) => value / (theirs[i] as number)));
    }
  }
  return {
    name: 'transport',
    machine: machine(),
    figures,
    floor,
    ratios,
    targets: [
      atLeast('throughput against node:net, 32 pipelined', ratios['32 pipelined: a second'] as number, 1.3),
      atLeast('throughput against node:net, 32 sockets', ratios['32 sockets: a second'] as number, 1.3),
    ],
    notes: ['the column "floor" is node:net here'],
  };
}

export const bench: Bench = { name: 'transport', title: 'Framed echo: the addon against node:net', run };
