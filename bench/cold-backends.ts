import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Engines, REAL_BACKENDS, type RealBackend } from './lib/engines.js';
import { atMost, type Bench, type BenchOptions, type BenchResult, machine, median, percentile } from './lib/result.js';
import { startWorker, type WorkerProcess } from './lib/worker-process.js';

/** Cold starts on every backend, spaced: client to result, of a static program and of a Python function, beside the engines' own `run`. */
export const bench: Bench = {
  name: 'cold-backends',
  title: 'Cold starts on every backend: client to result, ms',
  run,
};

const KINDS = ['static', 'python'] as const;
type Kind = (typeof KINDS)[number];
const SPACING_MS = 50;
const AGENT = fileURLToPath(new URL('../src/agents/binary/', import.meta.url));
const HELLO = fileURLToPath(new URL('../functions/hello_c/hello.c', import.meta.url));

async function run({ long, log }: BenchOptions): Promise<BenchResult> {
  const rounds = long ? 40 : 10;
  const folder = writeFunctions();
  const times = new Map<string, number[]>();
  const note = (key: string, ms: number): void => {
    times.set(key, [...(times.get(key) ?? []), ms]);
  };
  try {
    await using engines = await Engines.start();
    for (const backend of REAL_BACKENDS) {
      await using worker = await startWorker({ http: { enabled: false }, ...engines.config(backend) });
      for (const kind of KINDS) await worker.client.register({ name: kind, source: join(folder, kind), memoryMb: 64 });
      for (let round = -1; round < rounds; round++) {
        for (const kind of KINDS) {
          const ms = await coldStart(worker, kind);
          if (round >= 0) note(`${backend} ${kind}`, ms);
        }
        if (round >= 0 && backend === 'containerd') note('ctr run', await ctrRun(engines, round));
      }
      log(`measured ${backend}`);
    }
    return summarise(times);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function writeFunctions(): string {
  const folder = mkdtempSync(join(tmpdir(), 'iluvatar-bench-cold-'));
  for (const kind of KINDS) mkdirSync(join(folder, kind));
  execFileSync('gcc', ['-O2', '-static', '-I', AGENT, '-o', join(folder, 'static', 'main'), HELLO]);
  writeFileSync(
    join(folder, 'python', 'main.py'),
    'def main(args):\n    return {"hello": args.get("name", "world")}\n',
  );
  return folder;
}

/** From the call to the answer of a container made for it; ms. */
async function coldStart({ client }: WorkerProcess, kind: Kind): Promise<number> {
  await pause(SPACING_MS);
  const begun = performance.now();
  const { containerState } = await client.invoke(kind, {});
  const ms = performance.now() - begun;
  if (containerState !== 'cold') throw new Error(`${kind} was ${containerState}, not cold`);
  await client.clean();
  return ms;
}

/** A container of containerd's own client, from the call to its end: as much as a cold start, without an answer. */
async function ctrRun({ containerd }: Engines, round: number): Promise<number> {
  const [image = ''] = (await containerd.ctr('ours', 'images', 'list', '--quiet')).split('\n');
  await pause(SPACING_MS);
  const name = `bench-${round}`;
  const begun = performance.now();
  // Its program finds no worker and ends at once: that is all that is wanted of it.
  await containerd.ctr('ours', 'run', '--rm', image, name, '/iluvatar/init').catch(() => undefined);
  return performance.now() - begun;
}

function summarise(times: ReadonlyMap<string, readonly number[]>): BenchResult {
  const floor = median(times.get('ctr run') ?? []);
  const result: BenchResult = {
    name: 'cold-backends',
    machine: machine(),
    figures: {},
    floor: {},
    ratios: {},
    targets: [],
    notes: ['floor: ctr run --rm in the same image, whose program ends at once'],
  };
  const engine = (backend: RealBackend): boolean => backend.startsWith('containerd');
  for (const backend of REAL_BACKENDS) {
    for (const kind of KINDS) {
      const all = times.get(`${backend} ${kind}`) ?? [];
      const p50 = median(all);
      result.figures[`${backend}, ${kind}, p50 ms`] = p50;
      result.figures[`${backend}, ${kind}, p99 ms`] = percentile(all, 99);
      if (!engine(backend)) continue;
      result.floor[`${backend}, ${kind}, p50 ms`] = floor;
      result.ratios[`${backend}, ${kind}, p50 ms`] = p50 / floor;
    }
  }
  const ours = result.ratios['containerd, static, p50 ms'] ?? Number.NaN;
  result.targets.push(atMost('containerd, static p50 / ctr run', ours, 1));
  return result;
}
