import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { containerCgroups, cpuSeconds } from './lib/container-cgroups.js';
import { Engines, REAL_BACKENDS } from './lib/engines.js';
import { floorProgram } from './lib/floor.js';
import { atMost, type Bench, type BenchOptions, type BenchResult, machine, median } from './lib/result.js';
import { startWorker, type WorkerProcess } from './lib/worker-process.js';

/** Four processes that spin in one container: the CPU-seconds a second that its cgroup counts, against the CPUs it was given. */
export const bench: Bench = {
  name: 'cpu-limit',
  title: `CPU-seconds a second of a function that spins in 4 processes, on every backend`,
  run,
};

const SPINNERS = 4;
const LIMITS = [1, 2];
/** Children, not threads: those of Python would wait for each other. */
const SPIN = `import os
import time


def main(args):
    until = time.monotonic() + args["seconds"]
    children = []
    for _ in range(args["spinners"]):
        pid = os.fork()
        if pid == 0:
            while time.monotonic() < until:
                pass
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    return len(children)
`;
/** Until the children are forked and the first period is over. */
const SETTLE_MS = 300;

async function run({ long, log }: BenchOptions): Promise<BenchResult> {
  const rounds = long ? 9 : 3;
  // Whole periods of 100 ms, and so many that one cut off at either end does not matter.
  const windowMs = long ? 5000 : 2500;
  const measured = new Map<string, number[]>();
  const floor: number[] = [];
  await using engines = await Engines.start();
  for (const backend of REAL_BACKENDS) {
    await using worker = await startWorker({
      http: { enabled: false },
      cpu: { slots: Math.max(...LIMITS) },
      ...engines.config(backend),
    });
    await register(worker);
    for (let round = 0; round < rounds; round++) {
      floor.push(await unlimited(1));
      for (const cpus of LIMITS) {
        const key = figureOf(backend, cpus);
        measured.set(key, [...(measured.get(key) ?? []), await limited(worker, cpus, windowMs)]);
      }
    }
    log(`measured ${backend}`);
  }
  const cores = availableParallelism();
  const result: BenchResult = {
    name: 'cpu-limit',
    machine: machine(),
    figures: {},
    floor: {},
    ratios: {},
    targets: [],
    notes: [`floor: bench/floor/spin.c, ${SPINNERS} processes without a limit on this machine's ${cores} cores`],
  };
  for (const backend of REAL_BACKENDS) {
    for (const cpus of LIMITS) {
      const key = figureOf(backend, cpus);
      const used = median(measured.get(key) ?? []);
      result.figures[key] = used;
      result.floor[key] = median(floor);
      result.ratios[key] = used / median(floor);
      result.targets.push(atMost(`${backend}, cpus ${cpus}: CPU-s/s / ${cpus}`, used / cpus, 1.05));
    }
  }
  for (const cpus of LIMITS) {
    if (cores <= cpus) result.notes.push(`cpus ${cpus} is all this machine has: the limit cannot bite here`);
  }
  return result;
}

function figureOf(backend: string, cpus: number): string {
  return `${backend}, cpus ${cpus}, CPU-s/s`;
}

async function register({ client }: WorkerProcess): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'iluvatar-bench-spin-'));
  try {
    mkdirSync(join(folder, 'spin'));
    writeFileSync(join(folder, 'spin', 'main.py'), SPIN);
    for (const cpus of LIMITS) {
      await client.register({ name: `spin${cpus}`, source: join(folder, 'spin'), cpus, maxContainers: 1 });
      await client.prewarm(`spin${cpus}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Of the one container that spins: all others of this worker are idle. */
async function limited(worker: WorkerProcess, cpus: number, windowMs: number): Promise<number> {
  const seconds = (SETTLE_MS + windowMs + 200) / 1000;
  const answer = worker.client.invoke<number>(`spin${cpus}`, { seconds, spinners: SPINNERS });
  const used = (async () => {
    await pause(SETTLE_MS);
    const cgroups = containerCgroups(worker.name);
    const before = cgroups.map(cpuSeconds);
    const begun = performance.now();
    await pause(windowMs);
    const spun = cgroups.map((cgroup, i) => cpuSeconds(cgroup) - (before[i] as number));
    return Math.max(...spun) / ((performance.now() - begun) / 1000);
  })();
  const [{ result }, rate] = await Promise.all([answer, used]);
  if (result !== SPINNERS) throw new Error(`${result} of ${SPINNERS} processes were spinning`);
  return rate;
}

const exec = promisify(execFile);

async function unlimited(seconds: number): Promise<number> {
  return Number((await exec(floorProgram('spin'), [`${SPINNERS}`, `${seconds}`])).stdout);
}
