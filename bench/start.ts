import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startIdleNode } from './lib/idle-floor.js';
import { residentMb, threadTimes } from './lib/processes.js';
import { atMost, type Bench, type BenchResult, machine, median } from './lib/result.js';
import { startWorker } from './lib/worker-process.js';

/** What a start costs: of a command of the command line, and of a worker until it serves and has come to rest. Most of either is loading code. */
export const bench: Bench = {
  name: 'start',
  title: 'Starts of a command and of a worker, beside Node that starts and does nothing',
  run,
};

const BIN = fileURLToPath(new URL('../bin/iluvatar.js', import.meta.url));
/** A worker makes its spawners and stem cells after it serves. */
const REST_MS = 2000;
/** Unit of the times in /proc/PID/stat: Linux tells every program 100 a second. */
const TICK_MS = 10;

async function run({ long, log }: { long: boolean; log(line: string): void }): Promise<BenchResult> {
  const rounds = long ? 31 : 11;
  const commands = new Map<string, Command>([
    ['node -e 0', new Command(['-e', '0'])],
    ['--version', new Command([BIN, '--version'])],
  ]);
  const floors: Started[] = [];
  const workers: Started[] = [];
  await using answering = await startWorker();
  commands.set('ping', new Command([BIN, '--socket', answering.socket, 'ping']));
  for (let round = 0; round < rounds; round++) {
    log(`round ${round + 1} of ${rounds}`);
    for (const command of commands.values()) command.run();
    floors.push(await measure(startIdleNode));
    workers.push(await measure(startWorker));
  }
  const [floor, version, ping] = [...commands.values()].map((command) => command.middle()) as [Cost, Cost, Cost];
  const of = (all: readonly Started[], key: keyof Started): number => median(all.map((one) => one[key]));
  const startCpu = of(workers, 'cpuMs');
  return {
    name: 'start',
    machine: machine(),
    figures: {
      'iluvatar --version, ms': version.wallMs,
      'iluvatar --version, CPU ms': version.cpuMs,
      'iluvatar ping, ms': ping.wallMs,
      'iluvatar ping, CPU ms': ping.cpuMs,
      'worker serves after, ms': of(workers, 'readyMs'),
      'worker, CPU ms': startCpu,
      'its main thread, CPU ms': of(workers, 'mainMs'),
      'its shard, CPU ms': of(workers, 'busiestMs'),
      'worker, RSS MiB': of(workers, 'rssMb'),
    },
    floor: {
      'iluvatar --version, ms': floor.wallMs,
      'iluvatar --version, CPU ms': floor.cpuMs,
      'iluvatar ping, ms': floor.wallMs,
      'iluvatar ping, CPU ms': floor.cpuMs,
      'worker serves after, ms': of(floors, 'readyMs'),
      'worker, CPU ms': of(floors, 'cpuMs'),
      'its main thread, CPU ms': of(floors, 'mainMs'),
      'worker, RSS MiB': of(floors, 'rssMb'),
    },
    ratios: {
      'iluvatar --version, CPU ms': version.cpuMs / floor.cpuMs,
      'iluvatar ping, CPU ms': ping.cpuMs / floor.cpuMs,
      'worker, CPU ms': startCpu / of(floors, 'cpuMs'),
    },
    targets: [
      atMost('iluvatar --version / floor, CPU', version.cpuMs / floor.cpuMs, 3.5),
      atMost('worker / floor, CPU', startCpu / of(floors, 'cpuMs'), 13),
    ],
    notes: [
      'floors: a node that evaluates nothing; a node that says that it is up and waits',
      'worker: the process alone, without interpreters and containers; its CPU time and memory 2 s after it serves',
    ],
  };
}

interface Cost {
  readonly wallMs: number;
  readonly cpuMs: number;
}

/** A command that is run to its end, again and again. */
class Command {
  readonly #args: readonly string[];
  readonly #wallMs: number[] = [];
  #cpuMs = 0;

  constructor(args: readonly string[]) {
    this.#args = args;
  }

  run(): void {
    const [start, cpuStart] = [performance.now(), endedChildrenMs()];
    const { status, stderr } = spawnSync(process.execPath, this.#args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${this.#args.join(' ')} ended with ${status}: ${stderr}`);
    this.#wallMs.push(performance.now() - start);
    this.#cpuMs += endedChildrenMs() - cpuStart;
  }

  /** CPU time as a mean: it is counted in units of which a run has few. */
  middle(): Cost {
    return { wallMs: median(this.#wallMs), cpuMs: this.#cpuMs / this.#wallMs.length };
  }
}

interface Started {
  readonly readyMs: number;
  readonly cpuMs: number;
  readonly mainMs: number;
  /** Of the other threads the one that has worked most. */
  readonly busiestMs: number;
  readonly rssMb: number;
}

async function measure(start: () => Promise<AsyncDisposable & { readonly pid: number }>): Promise<Started> {
  const before = performance.now();
  await using started = await start();
  const readyMs = performance.now() - before;
  await pause(REST_MS);
  const { pid } = started;
  const times = [...threadTimes([pid])].map(([thread, ns]) => ({ thread, ms: ns / 1e6 }));
  const others = times.filter(({ thread }) => thread !== pid).map(({ ms }) => ms);
  return {
    readyMs,
    cpuMs: times.reduce((sum, { ms }) => sum + ms, 0),
    mainMs: times.find(({ thread }) => thread === pid)?.ms ?? Number.NaN,
    busiestMs: Math.max(...others),
    rssMb: residentMb(pid),
  };
}

/** Processor time of this process's children that have ended and were waited for. */
function endedChildrenMs(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const [user = Number.NaN, system = Number.NaN] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(13, 15)
    .map(Number);
  return (user + system) * TICK_MS;
}
