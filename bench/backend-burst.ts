import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ContainerdDaemon } from '../test/support/containerd-daemon.js';
import { CtrRun } from './lib/ctr-run.js';
import { floorProgram } from './lib/floor.js';
import { atLeast, atMost, type Bench, type BenchOptions, type BenchResult, machine, median } from './lib/result.js';
import { startWorker, type WorkerProcess } from './lib/worker-process.js';

/**
 * Cold starts of one image on containerd, so many at once, through the whole worker, up to the point where a function's code is loaded: beside `ctr run -d` of a
 * static program in the same image at the same parallelism. Each step of the worker's making is timed.
 */
export const bench: Bench = {
  name: 'backend-burst',
  title: 'Containers of containerd made at once, containers/s',
  run,
};

const PARALLEL = [1, 4, 16, 64] as const;
const STEPS = ['network', 'create', 'start', 'ready'] as const;
const AGENT = fileURLToPath(new URL('../src/agents/binary/', import.meta.url));
const HELLO = fileURLToPath(new URL('../functions/hello_c/hello.c', import.meta.url));
const FUNCTION = 'burst';
const MEMORY_MB = 16;

/** By runtime: our own shim, and the stock one for comparison. */
const RUNTIMES = { ours: 'iluvatar', 'ours with runc': 'io.containerd.runc.v2' } as const;

interface Round {
  /** From the first request to the last container; ms. */
  readonly ms: number;
  /** Median of one container in each step; ms. */
  readonly steps: Readonly<Record<string, number>>;
}

async function run({ long, log }: BenchOptions): Promise<BenchResult> {
  const rounds = long ? 9 : 3;
  const folder = writeFunction();
  const daemon = await ContainerdDaemon.start();
  const workers = new Map<string, WorkerProcess>();
  try {
    for (const [name, runtime] of Object.entries(RUNTIMES)) {
      workers.set(name, await startBurstWorker(daemon.address, name, runtime, folder));
    }
    const image = (await daemon.ctr('ours', 'images', 'list', '--quiet')).split('\n')[0] as string;
    const ctr = new CtrRun({ daemon, namespace: 'ours', image, program: '/function/wait' });
    const times = new Map<string, Round[]>();
    const note = (key: string, round: Round): void => {
      times.set(key, [...(times.get(key) ?? []), round]);
    };
    for (let round = -1; round < rounds; round++) {
      for (const count of PARALLEL) {
        // A single start takes so little that one alone would be chance.
        for (let again = 0; again < (count === 1 ? 5 : 1); again++) {
          const floor = await ctr.start(count);
          await ctr.clear();
          if (round >= 0) note(`ctr ${count}`, { ms: floor, steps: {} });
          for (const [name, worker] of workers) {
            const ours = await burst(worker, count);
            if (round >= 0) note(`${name} ${count}`, ours);
          }
        }
      }
      log(round < 0 ? 'warmed up' : `round ${round + 1} of ${rounds}`);
    }
    return summarise(times);
  } finally {
    for (const worker of workers.values()) await worker.stop();
    await daemon.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A static program that speaks to the worker, and one that waits. */
function writeFunction(): string {
  const folder = mkdtempSync(join(tmpdir(), 'iluvatar-bench-burst-'));
  chmodSync(folder, 0o755);
  execFileSync('gcc', ['-O2', '-static', '-I', AGENT, '-o', join(folder, 'hello'), HELLO]);
  copyFileSync(floorProgram('wait', ['-static']), join(folder, 'wait'));
  return folder;
}

async function startBurstWorker(
  address: string,
  namespace: string,
  runtime: string,
  source: string,
): Promise<WorkerProcess> {
  const worker = await startWorker({
    http: { enabled: false },
    cpu: { slots: 64 },
    memory: { budgetMb: 64 * MEMORY_MB * 2 },
    defaultBackends: ['containerd'],
    backends: {
      process: { enabled: false },
      containerd: { enabled: true, address, namespace: namespace.replaceAll(' ', '-'), runtime },
    },
  });
  const definition = { name: FUNCTION, source, runtime: 'binary', entry: 'hello', base: 'scratch' } as const;
  await worker.client.register({ ...definition, memoryMb: MEMORY_MB });
  return worker;
}

/** Makes so many containers at once, and removes them. */
async function burst({ client }: WorkerProcess, count: number): Promise<Round> {
  const before = await stepTimes(client);
  const begun = performance.now();
  await client.prewarm(FUNCTION, { count });
  const ms = performance.now() - begun;
  const after = await stepTimes(client);
  const { memory } = await client.status();
  if (memory.cachedContainers !== count) throw new Error(`${memory.cachedContainers} containers, not ${count}`);
  await client.clean();
  const steps = Object.fromEntries(
    Object.entries(after).map(([step, us]) => [step, (us - (before[step] ?? 0)) / 1000 / count]),
  );
  return { ms, steps };
}

/** Time spent in each step by all containers so far; µs. */
async function stepTimes(client: WorkerProcess['client']): Promise<Record<string, number>> {
  const counters = (await client.status()).backends['containerd'] ?? {};
  const times: Record<string, number> = {};
  for (const step of STEPS) {
    times[step] = counters[`${step}WorkUs`] ?? 0;
    times[`${step} waits`] = counters[`${step}WaitUs`] ?? 0;
  }
  return times;
}

function summarise(times: ReadonlyMap<string, readonly Round[]>): BenchResult {
  const result: BenchResult = {
    name: 'backend-burst',
    machine: machine(),
    figures: {},
    floor: {},
    ratios: {},
    targets: [],
    notes: ['floor: ctr run -d of a static program that waits, in the same image, as many at once'],
  };
  const perSecond = (key: string, count: number): number =>
    median((times.get(key) ?? []).map(({ ms }) => (count * 1000) / ms));
  const serial = perSecond('ours 1', 1);
  for (const count of PARALLEL) {
    const floor = perSecond(`ctr ${count}`, count);
    for (const name of Object.keys(RUNTIMES)) {
      const key = `${name}, ${count} at once, containers/s`;
      const rate = perSecond(`${name} ${count}`, count);
      Object.assign(result.figures, { [key]: rate });
      Object.assign(result.floor, { [key]: floor });
      Object.assign(result.ratios, { [key]: rate / floor });
    }
    const rate = perSecond(`ours ${count}`, count);
    if (count >= 16) result.targets.push(atLeast(`${count} at once / ctr run`, rate / floor, 5));
    if (count > 1) result.targets.push(atLeast(`${count} at once / our serial rate`, rate / serial, 1));
    result.notes.push(`${count} at once, ms of one container: ${stepNote(times.get(`ours ${count}`) ?? [])}`);
  }
  const single = (key: string): number => median((times.get(key) ?? []).map(({ ms }) => ms));
  result.figures['single start, p50 ms'] = single('ours 1');
  result.floor['single start, p50 ms'] = single('ctr 1');
  result.ratios['single start, p50 ms'] = single('ours 1') / single('ctr 1');
  result.targets.push(atMost('single start p50 / ctr run', single('ours 1') / single('ctr 1'), 1));
  return result;
}

function stepNote(rounds: readonly Round[]): string {
  return STEPS.map((step) => {
    const work = median(rounds.map(({ steps }) => steps[step] ?? 0));
    const wait = median(rounds.map(({ steps }) => steps[`${step} waits`] ?? 0));
    return `${step} ${work.toFixed(1)} after ${wait.toFixed(1)} waiting`;
  }).join(', ');
}
