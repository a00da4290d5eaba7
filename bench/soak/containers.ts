import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Client, IluvatarError } from '../../src/index.js';
import { settled, steadyReading } from './settle.js';
import type { SoakWorker } from './soak-worker.js';
import type { Row } from './verdict.js';

/** Containers made and removed, thousands of them, with failures of every kind on the way; then idle, and back to where it was before. */
export interface ContainerSoakOptions {
  readonly containers: number;
  /** Made and removed before the first reading, which so holds what a worker keeps once it has worked. */
  readonly warmUp: number;
  readonly batch: number;
  /** How long it may take to be back; ms. */
  readonly settleMs: number;
  /** Over which idle processor time is taken; ms. */
  readonly windowMs: number;
  log(line: string): void;
}

export interface ContainerSoakResult {
  readonly rows: readonly Row[];
  readonly made: number;
  /** Answers by error class; `ok` = results. */
  readonly answers: Readonly<Record<string, number>>;
}

const MEMORY_MB = 64;
const FUNCTION = 'soak';
const SOURCE = `
import os, signal, time

def main(args):
    fault = args.get("do")
    if fault == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "memory":
        return len(b"x" * (${MEMORY_MB} * 8 * 1024 * 1024))
    if fault == "raise":
        raise ValueError("as asked")
    if fault == "sleep":
        time.sleep(60)
    return "fine"
`;

/** What each does to its container, and how its caller hears of it. */
const FAULTS = [
  { errorClass: 'crashed', run: (client: Client) => client.invoke(FUNCTION, { do: 'crash' }) },
  { errorClass: 'out_of_memory', run: (client: Client) => client.invoke(FUNCTION, { do: 'memory' }) },
  { errorClass: 'user_error', run: (client: Client) => client.invoke(FUNCTION, { do: 'raise' }) },
  { errorClass: 'timeout', run: (client: Client) => client.invoke(FUNCTION, { do: 'sleep' }, { timeoutMs: 100 }) },
  {
    errorClass: 'cancelled',
    run: (client: Client) =>
      client.invoke(FUNCTION, { do: 'sleep' }, { timeoutMs: 1000, signal: AbortSignal.timeout(50) }),
  },
];

export async function soakContainers(worker: SoakWorker, options: ContainerSoakOptions): Promise<ContainerSoakResult> {
  const { log, windowMs } = options;
  const source = join(worker.folder, 'soak-source');
  mkdirSync(source);
  writeFileSync(join(source, 'main.py'), SOURCE);
  await worker.client.register({ name: FUNCTION, source, memoryMb: MEMORY_MB });
  log(`warming up with ${options.warmUp} containers`);
  const answers: Record<string, number> = {};
  await makeAndRemove(worker.client, options.warmUp, options, answers);
  await pause(windowMs);
  const before = await steadyReading(worker, windowMs);
  const begun = await creations(worker.client);
  log(`making and removing ${options.containers} containers`);
  await makeAndRemove(worker.client, options.containers, options, answers);
  const made = (await creations(worker.client)) - begun;
  log(`${made} containers made; waiting until all is as before`);
  return { rows: await settled(worker, before, options), made, answers };
}

/** At least so many, as the worker counts them. */
async function makeAndRemove(
  client: Client,
  count: number,
  { batch, log }: ContainerSoakOptions,
  answers: Record<string, number>,
): Promise<void> {
  const first = await creations(client);
  const step = Math.max(1, Math.floor(count / 10));
  for (let round = 0, made = 0, next = step; made < count; round++) {
    await client.prewarm(FUNCTION, { count: batch });
    const plain = Array.from({ length: batch - 1 }, () => expect(client.invoke(FUNCTION), 'ok', answers));
    const fault = FAULTS[round % FAULTS.length] as (typeof FAULTS)[number];
    await Promise.all([...plain, expect(fault.run(client), fault.errorClass, answers)]);
    await client.clean();
    made = (await creations(client)) - first;
    if (made < next) continue;
    next += step;
    log(`  ${made} of ${count}`);
  }
  // A cancelled call's container goes on until its time is over.
  for (const limit = performance.now() + 60_000; ; await pause(100)) {
    await client.clean();
    const { memory } = await client.status();
    if (memory.cachedContainers + memory.runningContainers === 0) return;
    if (performance.now() > limit) throw new Error('containers are left that do not go');
  }
}

/** An answer of another kind is a failure of the soak: it would measure something else. */
async function expect(answer: Promise<unknown>, errorClass: string, answers: Record<string, number>): Promise<void> {
  let seen = 'ok';
  try {
    await answer;
  } catch (error) {
    if (!(error instanceof IluvatarError)) throw error;
    seen = error.errorClass;
    if (seen !== errorClass) throw new Error(`${errorClass} was to be expected, not ${seen}: ${error.message}`);
  }
  if (seen !== errorClass) throw new Error(`${errorClass} was to be expected, not a result`);
  answers[seen] = (answers[seen] ?? 0) + 1;
}

async function creations(client: Client): Promise<number> {
  const { backends } = await client.status();
  return Object.values(backends).reduce((sum, counters) => sum + (counters['creations'] ?? 0), 0);
}
