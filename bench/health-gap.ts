import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { buildPrograms } from '../test/support/build-programs.js';
import { FaultyWorker } from '../test/worker/supervision/faulty-worker.js';
import { atMost, type Bench, type BenchResult, machine } from './lib/result.js';

/** The longest time for which the main thread's health is silent while a shard crashes, hangs, and is started again. */
export const bench: Bench = {
  name: 'health-gap',
  title: 'Longest time between two answers of the main thread’s /livez and /healthz, ms',
  run,
};

const POLL = fileURLToPath(new URL('./lib/health-poll.mjs', import.meta.url));
const MISSED_BEAT_MS = 2000;
const ANSWER_MS = 250;
const FAULTS = ['throw', 'exit', 'hang'] as const;

async function run(): Promise<BenchResult> {
  await buildPrograms();
  const supervision = { missedBeatMs: MISSED_BEAT_MS, health: { enabled: true, port: 0, answerMs: ANSWER_MS } };
  await using worker = await FaultyWorker.start({ supervision });
  const figures: Record<string, number> = {};
  const quiet = await during(worker, '/livez', () => pause(2000));
  for (const fault of FAULTS) {
    for (const path of ['/livez', '/healthz']) {
      const { longestMs } = await during(worker, path, () => fail(worker, fault));
      figures[`${path}, ${fault}`] = longestMs;
    }
  }
  const longest = Math.max(...Object.values(figures));
  return {
    name: 'health-gap',
    machine: machine(),
    figures,
    floor: { '/livez, nothing happens': quiet.longestMs },
    ratios: {},
    targets: [atMost('longest gap, ms', longest, 1000)],
    notes: [
      `a shard counts as hung after ${MISSED_BEAT_MS} ms without a beat; /healthz asks it, and waits ${ANSWER_MS} ms for its answer`,
    ],
  };
}

interface Polled {
  readonly longestMs: number;
}

async function during({ supervisor }: FaultyWorker, path: string, what: () => Promise<unknown>): Promise<Polled> {
  const url = `http://127.0.0.1:${supervisor.healthPort}${path}`;
  const child: ChildProcess = spawn(process.execPath, [POLL, url], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  try {
    await lines.next();
    await what();
    child.stdin?.end();
    return JSON.parse((await lines.next()).value as string) as Polled;
  } finally {
    child.kill();
  }
}

/** Until the next shard serves. */
async function fail(worker: FaultyWorker, fault: (typeof FAULTS)[number]): Promise<void> {
  const restarts = (): number => worker.supervisor.threads()[0]?.restarts ?? 0;
  const before = restarts();
  worker.shardFault(fault);
  while (restarts() === before || worker.supervisor.threads()[0]?.state !== 'running') await pause(50);
  await pause(500);
}
