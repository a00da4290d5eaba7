import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { InvokeResult } from '../../config/api.js';
import type { WorkerConfigInput } from '../../config/schema.js';
import { type Calibration, type LiveRun, meanOf, quantileOf } from '../../sim/validate/validation.js';
import type { ValidationFunction, Workload } from '../../sim/validate/workload.js';
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
  { functions, arrivals }: Workload,
  progress: (line: string) => void,
): Promise<Pick<LiveRun, 'workload' | 'observed'>> {
  const sent: { atUs: number; fn: number }[] = [];
  const results: InvokeResult[] = [];
  const open: Promise<void>[] = [];
  let failed = 0;
  let latestMs = 0;
  const memory = new MemorySampler(worker);
  const beganAt = performance.now();
  for (const { atUs, fn } of arrivals) {
    const dueMs = beganAt + atUs / 1000;
    while (performance.now() < dueMs) await sleep(Math.max(0, dueMs - performance.now()));
    const { name, warmMs } = functions[fn] as ValidationFunction;
    const now = performance.now();
    latestMs = Math.max(latestMs, now - dueMs);
    sent.push({ atUs: Math.round((now - beganAt) * 1000), fn });
    open.push(
      worker.invoke(name, { ms: warmMs }).then(
        (result) => void results.push(result),
        () => void failed++,
      ),
    );
  }
  await Promise.all(open);
  const { meanRunningMb, meanCachedMb } = await memory.end();
  if (latestMs > LATE_MS) progress(`an invocation was sent ${latestMs.toFixed(0)} ms late: this machine is busy`);
  const queueMs = results.map(({ phases }) => phases.queueUs / 1000);
  return {
    workload: { functions, arrivals: sent },
    observed: {
      invocations: sent.length,
      failed,
      coldStarts: results.filter(({ containerState }) => containerState === 'cold').length,
      meanQueueMs: meanOf(queueMs),
      p99QueueMs: quantileOf(queueMs, 0.99),
      meanEndToEndMs: meanOf(results.map(({ phases }) => (phases.queueUs + phases.startUs + phases.runUs) / 1000)),
      meanRunningMb,
      meanCachedMb,
    },
  };
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
