import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Client } from '../src/index.js';
import { atLeast, atMost, type Bench, type BenchOptions, type BenchResult, machine, median } from './lib/result.js';
import { startWorker } from './lib/worker-process.js';

/**
 * So many different functions asked for at once, none of which has a container: containers a second from the first call to the last answer, beside
 * the bare interpreter started as often by `xargs -P 4`. The functions are registered beforehand, each with content of its own.
 */
export const bench: Bench = {
  name: 'cold-burst',
  title: 'Different Python containers asked for at once, containers/s',
  run,
};

const SMALL = 200;
const LARGE = 1000;
const MEMORY_MB = 16;
const PARALLEL = 4;
/** Without --long: no further large burst once so much has passed, so that a slow machine is not kept for minutes. */
const LARGE_UNTIL_MS = 25_000;

async function run({ long, log }: BenchOptions): Promise<BenchResult> {
  const rounds = long ? 15 : 5;
  const python = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
  // Slots and memory for all of them at once: what is measured is how fast containers are made, not how they are admitted.
  await using worker = await startWorker({
    http: { enabled: false },
    cpu: { slots: LARGE },
    memory: { budgetMb: LARGE * MEMORY_MB * 2 },
  });
  const { client } = worker;
  const names = await register(client, LARGE);
  log(`registered ${LARGE} functions; measuring`);
  const bursts: Record<number, Burst[]> = { [SMALL]: [], [LARGE]: [] };
  const floor: number[] = [];
  await burst(client, names.slice(0, SMALL));
  const begun = performance.now();
  for (let round = 0; round < rounds; round++) {
    floor.push(await startsPerSecond(python, SMALL));
    bursts[SMALL]?.push(await burst(client, names.slice(0, SMALL)));
    const late = !long && round > 0 && performance.now() - begun > LARGE_UNTIL_MS;
    if (!late) bursts[LARGE]?.push(await burst(client, names));
    log(`round ${round + 1} of ${rounds}`);
  }
  return summarise(bursts, median(floor));
}

function summarise(bursts: Record<number, Burst[]>, floor: number): BenchResult {
  const result: BenchResult = {
    name: 'cold-burst',
    machine: machine(),
    figures: {},
    floor: {},
    ratios: {},
    targets: [],
    notes: [
      `floor: python3 -S -c 1, ${SMALL} times by xargs -P ${PARALLEL}`,
      `cpu.slots = ${LARGE} and memory for all, so that admission holds none back`,
    ],
  };
  let lost = 0;
  let left = 0;
  for (const count of [SMALL, LARGE]) {
    const rounds = bursts[count] ?? [];
    const name = `${count} at once, containers/s`;
    const perSecond = median(rounds.map((round) => round.perSecond));
    result.figures[name] = perSecond;
    result.floor[name] = floor;
    result.ratios[name] = perSecond / floor;
    result.figures[`${count} at once, p50 start ms`] = median(rounds.map((round) => round.startMs));
    result.targets.push(atLeast(`${count} at once / floor`, perSecond / floor, 2));
    lost += rounds.reduce((sum, round) => sum + round.lost, 0);
    left += rounds.reduce((sum, round) => sum + round.left, 0);
    result.notes.push(`${count} at once: median of ${rounds.length} rounds`);
    for (const { failure } of rounds) if (failure !== null) result.notes.push(`lost one of ${count}: ${failure}`);
  }
  result.targets.push(atMost('lost', lost, 0), atMost('containers left after clean', left, 0));
  return result;
}

/** Functions f0…, each a file of its own content; returns their names. */
async function register(client: Client, count: number): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'iluvatar-bench-burst-'));
  try {
    const names = Array.from({ length: count }, (_, i) => `f${i}`);
    for (const [i, name] of names.entries()) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, 'main.py'), `def main(args):\n    return ${i}\n`);
    }
    // A few at a time: registration is not measured, and a thousand archives at once are no fair start for what is.
    const queue = names.values();
    const registrar = async (): Promise<void> => {
      for (const name of queue) await client.register({ name, source: join(folder, name), memoryMb: MEMORY_MB });
    };
    await Promise.all(Array.from({ length: 8 }, registrar));
    return names;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Burst {
  perSecond: number;
  /** Median time in `start`. */
  startMs: number;
  /** Asked for and not answered rightly by a container of its own. */
  lost: number;
  failure: string | null;
  /** Still in the pool after `clean`. */
  left: number;
}

/** Asks for all at once over one connection, then removes them. */
async function burst(client: Client, names: readonly string[]): Promise<Burst> {
  const begun = performance.now();
  const answers = await Promise.allSettled(names.map((name) => client.invoke(name)));
  const seconds = (performance.now() - begun) / 1000;
  let failure: string | null = null;
  const starts: number[] = [];
  for (const [i, answer] of answers.entries()) {
    if (answer.status === 'rejected') failure ??= `${answer.reason}`;
    else if (answer.value.containerState !== 'cold')
      failure ??= `${names[i]} was ${answer.value.containerState}, not cold`;
    else if (`f${answer.value.result}` !== names[i]) failure ??= `${names[i]} answered ${answer.value.result}`;
    else starts.push(answer.value.phases.startUs / 1000);
  }
  const cached = (await client.status()).memory.cachedContainers;
  if (cached !== names.length) failure ??= `${cached} containers in the pool after ${names.length} invocations`;
  await client.clean();
  const { memory } = await client.status();
  return {
    perSecond: starts.length / seconds,
    startMs: median(starts),
    lost: names.length - Math.min(starts.length, cached),
    failure,
    left: memory.cachedContainers + memory.runningContainers,
  };
}

const exec = promisify(execFile);

async function startsPerSecond(python: string, count: number): Promise<number> {
  const script = `seq ${count} | xargs -P ${PARALLEL} -n 1 "$0" -S -c 1`;
  const begun = performance.now();
  await exec('sh', ['-c', script, python]);
  return count / ((performance.now() - begun) / 1000);
}
