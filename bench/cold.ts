import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { native } from '../src/native.js';
import { floorProgram } from './lib/floor.js';
import { atMost, type Bench, type BenchOptions, type BenchResult, machine, median, percentile } from './lib/result.js';
import { startWorker, type WorkerProcess } from './lib/worker-process.js';

/**
 * Cold starts, one every 50 ms, each kind beside its own floor in the same round: the same system calls in C, the bare interpreter's start. With pools full
 * and with pools empty. Spaced, because a tight loop hides what a lone start pays (moving into a cgroup).
 */

const FUNCTIONS = fileURLToPath(new URL('../functions/', import.meta.url));
const SPACING_MS = 50;
const KINDS = ['sandbox', 'python', 'node', 'numpy'] as const;
type Kind = (typeof KINDS)[number];

export const bench: Bench = {
  name: 'cold',
  title: `Cold starts spaced ${SPACING_MS} ms apart: client to result, ms`,
  run,
};

async function run({ long, log }: BenchOptions): Promise<BenchResult> {
  const rounds = long ? 100 : 25;
  const folder = mkdtempSync(join(tmpdir(), 'iluvatar-bench-cold-'));
  const sources = writeSources(folder);
  const floors = new Floors();
  try {
    await using full = await startWorker();
    await using empty = await startWorker({ sandbox: { stemCells: 0, nodeCells: 0 }, cgroup: { pool: 0 } });
    for (const worker of [full, empty]) await register(worker, sources);
    log('registered; measuring');
    const times: Record<string, number[]> = {};
    const phases: Record<string, number[]> = {};
    const note = (name: string, ms: number): void => {
      times[name] ??= [];
      times[name].push(ms);
    };
    for (let round = -2; round < rounds; round++) {
      for (const kind of KINDS) {
        const warmUp = round < 0;
        const floorMs = floors.once(kind);
        await pause(SPACING_MS);
        const ours = await coldStart(full, kind);
        await pause(SPACING_MS);
        const poolless = await coldStart(empty, kind);
        await pause(SPACING_MS);
        if (warmUp) continue;
        note(`${kind} floor`, floorMs);
        note(`${kind}`, ours.ms);
        note(`${kind} empty`, poolless.ms);
        for (const [phase, ms] of Object.entries(ours.phases)) {
          phases[`${kind} ${phase}`] ??= [];
          phases[`${kind} ${phase}`]?.push(ms);
        }
      }
    }
    return summarise(times, phases);
  } finally {
    floors.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

const LIMITS: Record<Kind, number> = { sandbox: 1.5, python: 0.4, node: 0.2, numpy: 0.15 };

function summarise(times: Record<string, number[]>, phases: Record<string, number[]>): BenchResult {
  const result: BenchResult = {
    name: 'cold',
    machine: machine(),
    figures: {},
    floor: {},
    ratios: {},
    targets: [],
    notes: [],
  };
  for (const kind of KINDS) {
    const ours = times[kind] ?? [];
    const p50 = median(ours);
    const floor = median(times[`${kind} floor`] ?? []);
    const empty = median(times[`${kind} empty`] ?? []);
    const p99 = percentile(ours, 99);
    Object.assign(result.figures, {
      [`${kind} p50 ms`]: p50,
      [`${kind} p99 ms`]: p99,
      [`${kind} pools empty p50 ms`]: empty,
    });
    result.floor[`${kind} p50 ms`] = floor;
    result.ratios[`${kind} p50 ms`] = p50 / floor;
    result.ratios[`${kind} pools empty p50 ms`] = empty / p50;
    result.targets.push(
      atMost(`${kind} p50 / floor`, p50 / floor, LIMITS[kind]),
      atMost(`${kind} p99 / p50`, p99 / p50, 3),
      atMost(`${kind} pools empty / full`, empty / p50, 2),
    );
    const named = ['queue', 'start', 'run'].map(
      (phase) => `${phase} ${median(phases[`${kind} ${phase}`] ?? []).toFixed(2)}`,
    );
    result.notes.push(`${kind}: median ms in ${named.join(', ')}`);
  }
  result.notes.push(
    'floors: sandbox = bench/floor/sandbox.c, python = python3 -S -c 1, node = node -e 1, numpy = python3 -c "import numpy"',
  );
  return result;
}

async function register(worker: WorkerProcess, sources: Sources): Promise<void> {
  const { client } = worker;
  await client.register({ name: 'sandbox', source: sources.program });
  await client.register({ name: 'python', source: join(FUNCTIONS, 'hello') });
  await client.register({ name: 'node', source: join(FUNCTIONS, 'hello_node') });
  await client.register({ name: 'numpy', source: sources.numpy, memoryMb: 256 });
}

/** From the call to its result, with no container of the function there; what is idle afterwards is removed. */
async function coldStart(
  { client }: WorkerProcess,
  kind: Kind,
): Promise<{ ms: number; phases: Record<string, number> }> {
  const begun = performance.now();
  const { containerState, phases } = await client.invoke(kind, {});
  const ms = performance.now() - begun;
  if (containerState !== 'cold') throw new Error(`${kind} was ${containerState}, not cold`);
  await client.clean();
  return { ms, phases: { queue: phases.queueUs / 1000, start: phases.startUs / 1000, run: phases.runUs / 1000 } };
}

interface Sources {
  program: string;
  numpy: string;
}

/** The function in C, built, and one that imports numpy. */
function writeSources(folder: string): Sources {
  const program = join(folder, 'program');
  const numpy = join(folder, 'numpy');
  mkdirSync(program);
  mkdirSync(numpy);
  const include = fileURLToPath(new URL('../src/agents/binary', import.meta.url));
  execFileSync('gcc', [
    '-O2',
    '-static',
    `-I${include}`,
    '-o',
    join(program, 'main'),
    join(FUNCTIONS, 'hello_c', 'hello.c'),
  ]);
  writeFileSync(
    join(numpy, 'main.py'),
    'import numpy\n\ndef main(args):\n    return {"sum": int(numpy.arange(10).sum())}\n',
  );
  writeFileSync(join(numpy, 'requirements.txt'), 'numpy==1.26.4\n');
  return { program, numpy };
}

/** The programs that ours is measured against, one start at a time. */
class Floors {
  readonly #sandbox = floorProgram('sandbox', ['-static']);
  readonly #spawn = floorProgram('spawn');
  readonly #python = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
  readonly #packages = mkdtempSync(join(tmpdir(), 'iluvatar-bench-packages-'));
  readonly #cgroups: string[] = [];

  constructor() {
    const install = [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--disable-pip-version-check',
      '--target',
      this.#packages,
      'numpy==1.26.4',
    ];
    execFileSync(this.#python, install, { stdio: ['ignore', 'ignore', 'inherit'] });
    for (const mount of native().cgroup.mounts()) {
      if (!mount.controllers.some((name) => ['cpu', 'memory', 'pids'].includes(name))) continue;
      const folder = join(mount.path, `iluvatar-floor-${process.pid}`);
      mkdirSync(folder);
      this.#cgroups.push(folder);
    }
  }

  /** ms */
  once(kind: Kind): number {
    if (kind === 'sandbox')
      return Number(execFileSync(this.#sandbox, ['1', '1', ...this.#cgroups], { encoding: 'utf8' })) / 1000;
    const [program, args, env] = this.#command(kind);
    return Number(execFileSync(this.#spawn, [program, ...args], { env, encoding: 'utf8' })) / 1000;
  }

  close(): void {
    for (const folder of this.#cgroups) rmdirSync(folder);
    rmSync(this.#packages, { recursive: true, force: true });
  }

  #command(kind: Exclude<Kind, 'sandbox'>): [string, string[], NodeJS.ProcessEnv] {
    switch (kind) {
      case 'python':
        return [this.#python, ['-S', '-c', '1'], process.env];
      case 'node':
        return [process.execPath, ['-e', '1'], process.env];
      case 'numpy':
        return [this.#python, ['-c', 'import numpy'], { ...process.env, PYTHONPATH: this.#packages }];
    }
  }
}
