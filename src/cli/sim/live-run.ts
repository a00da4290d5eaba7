import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkerConfigInput } from '../../config/schema.js';
import { runLoad } from '../../load/run-load.js';
import { UnixTarget } from '../../load/targets/unix-target.js';
import type { LoadRow } from '../../results/load-row.js';
import { type Calibration, type LiveRun, meanOf, quantileOf } from '../../sim/validate/validation.js';
import { type ValidationFunction, type Workload, workloadTrace } from '../../sim/validate/workload.js';
import type { RowSink } from '../../tables/sink.js';
import { Worker } from '../../worker/worker.js';

/** The live half of a validation: a worker of its own, with functions that sleep or spin, driven open-loop. */

export interface LiveOptions {
  readonly config: WorkerConfigInput;
  readonly work: 'sleep' | 'spin';
  readonly timeoutMs: number;
  readonly progress: (line: string) => void;
}

/** Its import takes what the environment says, a run what the arguments say. */
const SOURCE = `import os
import time


def spend(seconds, spin):
    end = time.monotonic() + seconds
    if not spin:
        time.sleep(seconds)
    while spin and time.monotonic() < end:
        pass


SPIN = os.environ.get("SPIN") == "1"
spend(float(os.environ.get("IMPORT_MS", "0")) / 1000, SPIN)


def main(args):
    spend(args["ms"] / 1000, SPIN)
    return {}
`;

/** Containers made for the calibration, each with one cold run, and warm runs after that. */
const COLD_SAMPLES = 12;
const WARM_SAMPLES = 60;
const WARM_SAMPLE_MS = 5;
/** Pause between two looks at the worker's memory. */
const MEMORY_SAMPLE_MS = 50;
/** Of an invocation, the worst that a timer of this process may be late by without being told. */
const LATE_MS = 50;

export async function runLive(workload: Workload, options: LiveOptions): Promise<LiveRun> {
  const { config, progress } = options;
  const folder = mkdtempSync(join(tmpdir(), 'iluvatar-validate-'));
  const source = join(folder, 'function');
  mkdirSync(source);
  writeFileSync(join(source, 'main.py'), SOURCE);
  let worker: Worker | null = null;
  try {
    worker = await Worker.start({
      ...config,
      name: `validate-${process.pid}`,
      dataDir: join(folder, 'data'),
      socket: '',
      http: { enabled: false },
    });
    const register = (fn: ValidationFunction): Promise<unknown> =>
      (worker as Worker).register({
        name: fn.name,
        source,
        memoryMb: fn.memoryMb,
        timeoutMs: options.timeoutMs,
        env: { IMPORT_MS: String(fn.importMs), SPIN: options.work === 'spin' ? '1' : '0' },
      });
    progress('measuring what the platform itself takes');
    const calibration = await calibrate(worker, register);
    for (const fn of workload.functions) await register(fn);
    progress(`${workload.arrivals.length} invocations of ${workload.functions.length} functions`);
    return { calibration, ...(await drive(worker, workload, progress)) };
  } finally {
    await worker?.stop({ drainMs: 2000 });
    rmSync(folder, { recursive: true, force: true });
  }
}

async function calibrate(worker: Worker, register: (fn: ValidationFunction) => Promise<unknown>): Promise<Calibration> {
  const name = 'calibration';
  await register({ name, memoryMb: 128, warmMs: 0, importMs: 0 });
  const creationUs: number[] = [];
  const coldExtraUs: number[] = [];
  const warmExtraUs: number[] = [];
  const destructionUs: number[] = [];
  // The very first also makes what later ones find made.
  await worker.invoke(name, { ms: 0 });
  await removed(worker);
  for (let i = 0; i < COLD_SAMPLES; i++) {
    const { phases } = await worker.invoke(name, { ms: 0 });
    creationUs.push(phases.startUs);
    coldExtraUs.push(phases.runUs);
    if (i === 0) {
      for (let j = 0; j < WARM_SAMPLES; j++) {
        const warm = await worker.invoke(name, { ms: WARM_SAMPLE_MS });
        warmExtraUs.push(Math.max(0, warm.phases.runUs - WARM_SAMPLE_MS * 1000));
      }
    }
    destructionUs.push(await removed(worker));
  }
  await worker.unregister(name);
  return { creationUs, coldExtraUs, warmExtraUs, destructionUs };
}

/** Removes all idle containers; how long it takes until their memory is free; µs. */
async function removed(worker: Worker): Promise<number> {
  const beganAt = performance.now();
  await worker.clean();
  while ((await worker.status()).memory.totalMb > 0) await sleep(1);
  return Math.round((performance.now() - beganAt) * 1000);
}

async function drive(
  worker: Worker,
  workload: Workload,
  progress: (line: string) => void,
): Promise<Pick<LiveRun, 'workload' | 'observed'>> {
  const { functions } = workload;
  const target = await UnixTarget.open(worker.socketPath, worker.config.transport.maxBodyBytes);
  const memory = new MemorySampler(worker);
  const ran = new RanInvocations(functions);
  try {
    const { summary } = await runLoad({
      work: {
        kind: 'open',
        arrivals: { from: 'program', source: workloadTrace(workload) },
        untilUs: Number.POSITIVE_INFINITY,
        count: Number.POSITIVE_INFINITY,
        maxInFlight: Number.POSITIVE_INFINITY,
        overLimit: 'wait',
      },
      functions: functions.map(({ name, warmMs }) => ({
        name,
        version: '1',
        args: JSON.stringify({ ms: warmMs }),
        timeoutMs: 0,
      })),
      target,
      rows: ran,
    });
    const { meanRunningMb, meanCachedMb } = await memory.end();
    const latestMs = summary.us.lag.max / 1000;
    if (latestMs > LATE_MS) progress(`an invocation was sent ${latestMs.toFixed(0)} ms late: this machine is busy`);
    return {
      workload: { functions, arrivals: ran.sent.sort((a, b) => a.atUs - b.atUs) },
      observed: {
        invocations: summary.invocations,
        failed: summary.failed,
        coldStarts: summary.states['cold'] ?? 0,
        meanQueueMs: meanOf(ran.queueMs),
        p99QueueMs: quantileOf(ran.queueMs, 0.99),
        meanEndToEndMs: meanOf(ran.endToEndMs),
        meanRunningMb,
        meanCachedMb,
      },
    };
  } finally {
    await target.close();
    await memory.end();
  }
}

/** What a simulation of the same is held against: when invocations were really sent, and their phases on the worker. */
class RanInvocations implements RowSink<LoadRow> {
  readonly sent: { atUs: number; fn: number }[] = [];
  readonly queueMs: number[] = [];
  readonly endToEndMs: number[] = [];
  readonly #places: ReadonlyMap<string, number>;

  constructor(functions: readonly ValidationFunction[]) {
    this.#places = new Map(functions.map(({ name }, fn) => [`${name}@1`, fn]));
  }

  row({ fn, sentUs, outcome, queueUs, createUs, runUs }: Readonly<LoadRow>): void {
    this.sent.push({ atUs: sentUs, fn: this.#places.get(fn) as number });
    if (outcome !== 'ok') return;
    this.queueMs.push(queueUs / 1000);
    this.endToEndMs.push((queueUs + createUs + runUs) / 1000);
  }

  backlog(): null {
    return null;
  }

  async end(): Promise<void> {}
}

/** Looks at the worker's memory again and again, and takes what it sees for what was since it looked before. */
class MemorySampler {
  readonly #worker: Worker;
  readonly #beganAt = performance.now();
  readonly #done: Promise<void>;
  #lastAt = this.#beganAt;
  #runningMbMs = 0;
  #cachedMbMs = 0;
  #ending = false;

  constructor(worker: Worker) {
    this.#worker = worker;
    this.#done = this.#run();
  }

  async end(): Promise<{ meanRunningMb: number; meanCachedMb: number }> {
    this.#ending = true;
    await this.#done;
    const ms = Math.max(1, this.#lastAt - this.#beganAt);
    return { meanRunningMb: this.#runningMbMs / ms, meanCachedMb: this.#cachedMbMs / ms };
  }

  async #run(): Promise<void> {
    while (!this.#ending) {
      const { memory } = await this.#worker.status();
      const now = performance.now();
      this.#runningMbMs += (now - this.#lastAt) * memory.runningMb;
      this.#cachedMbMs += (now - this.#lastAt) * memory.cachedMb;
      this.#lastAt = now;
      await sleep(MEMORY_SAMPLE_MS);
    }
  }
}
