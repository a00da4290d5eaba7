import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { seededRandom } from '../../src/core/random.js';
import type { WorkerConfigInput } from '../../src/index.js';
import { WorkerProcess } from '../../test/recovery/support/worker-process.js';
import { ContainerdDaemon } from '../../test/support/containerd-daemon.js';
import { soakContainers } from './containers.js';
import { KILL_SOAK_CONFIG, soakKills } from './kills.js';
import { SoakWorker } from './soak-worker.js';
import { type Row, table } from './verdict.js';
import { soakWarm } from './warm.js';

/**
 * npm run soak -- [--only process|containerd|warm|kills] [--containers N] [--invocations N] [--kills N] [--seed N]
 *
 * Whether a worker that has worked for long is as it was: exits with 1 when anything has grown, or a promise was broken. Without `--only` the two that make containers; `warm` and
 * `kills` take long and are asked for by name.
 */

const KINDS = ['process', 'containerd', 'warm', 'kills'] as const;
type Kind = (typeof KINDS)[number];
type ContainerKind = Exclude<Kind, 'warm' | 'kills'>;
const USAGE = `usage: npm run soak -- [--only ${KINDS.join('|')}] [--containers N] [--invocations N] [--kills N] [--seed N]`;
const CONTAINERS: Readonly<Record<ContainerKind, number>> = { process: 10_000, containerd: 2_000 };
/** After so many the heap of a shard has the size that it keeps: compiled code, tables, caches. */
const WARM_UP = 1_000;
const INVOCATIONS = 10_000_000;
const KILLS = 1_000;
const WARM_CLIENTS = 8;
const SETTLE_MS = 120_000;
const WINDOW_MS = 5_000;

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    containers: { type: 'string' },
    invocations: { type: 'string' },
    kills: { type: 'string' },
    seed: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

const kinds =
  values.only === undefined ? (['process', 'containerd'] as const) : KINDS.filter((kind) => kind === values.only);
if (values.help || kinds.length === 0) {
  console.error(USAGE);
  process.exit(values.help ? 0 : 2);
}

// What is measured is the built worker. Milliseconds when it is up to date.
const setup = fileURLToPath(new URL('../../scripts/setup.mjs', import.meta.url));
if (spawnSync(process.execPath, [setup, '--only', 'typescript'], { stdio: ['ignore', 2, 2] }).status !== 0)
  process.exit(2);

const log = (line: string): void => console.error(`${new Date().toISOString().slice(11, 19)} ${line}`);
/** What a signal has to clear away; the last is the first to go. */
const open: (() => PromiseLike<void>)[] = [];
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void abandon());
let ok = true;
for (const kind of kinds) {
  log(`${kind}:`);
  if (kind === 'kills') {
    ok &&= await kills();
    continue;
  }
  const { rows, what } = kind === 'warm' ? await warm() : await containers(kind);
  console.log(`\n${kind}: ${what}\n`);
  for (const line of table(rows)) console.log(line);
  console.log('');
  ok &&= rows.every((row) => row.ok);
}
console.log(ok ? 'all is well' : 'something has grown, or a promise was broken');
process.exit(ok ? 0 : 1);

async function abandon(): Promise<void> {
  for (const close of open.reverse()) await close();
  process.exit(130);
}

async function containers(kind: ContainerKind): Promise<{ rows: readonly Row[]; what: string }> {
  const count = values.containers === undefined ? CONTAINERS[kind] : Number(values.containers);
  const daemon = kind === 'containerd' ? await ContainerdDaemon.start() : null;
  try {
    if (daemon !== null) open.push(() => daemon.close());
    await using worker = await SoakWorker.start(daemon === null ? {} : onContainerd(daemon));
    open.push(() => worker[Symbol.asyncDispose]());
    const sizes = {
      containers: count,
      warmUp: Math.max(Math.min(count, WARM_UP), Math.ceil(count / 10)),
      batch: 16,
      settleMs: SETTLE_MS,
      windowMs: WINDOW_MS,
    };
    const { rows, made, answers } = await soakContainers(worker, { ...sizes, log });
    const told = Object.entries(answers).map(([name, times]) => `${times} ${name}`);
    return { rows, what: `${made} containers made and removed; answers: ${told.join(', ')}` };
  } finally {
    await daemon?.close();
    open.length = 0;
  }
}

async function warm(): Promise<{ rows: readonly Row[]; what: string }> {
  const invocations = values.invocations === undefined ? INVOCATIONS : Number(values.invocations);
  await using worker = await SoakWorker.start();
  open.push(() => worker[Symbol.asyncDispose]());
  const { rows, made } = await soakWarm(worker, {
    invocations,
    clients: WARM_CLIENTS,
    settleMs: SETTLE_MS,
    windowMs: WINDOW_MS,
    log,
  });
  return { rows, what: `${made} invocations in two containers` };
}

async function kills(): Promise<boolean> {
  const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed);
  const count = values.kills === undefined ? KILLS : Number(values.kills);
  log(`seed ${seed}`);
  await using worker = new WorkerProcess(KILL_SOAK_CONFIG);
  open.push(() => worker[Symbol.asyncDispose]());
  const result = await soakKills(worker, {
    kills: count,
    killsPerRound: 20,
    longestLifeMs: 2000,
    random: seededRandom(seed),
    log,
  });
  const { problems, ...numbers } = result;
  console.log(`\nkills: ${JSON.stringify(numbers)}, seed ${seed}\n`);
  for (const problem of problems) console.log(problem);
  return problems.length === 0;
}

function onContainerd({ address }: ContainerdDaemon): WorkerConfigInput {
  const containerd = { enabled: true, address, namespace: 'soak' };
  return { defaultBackends: ['containerd'], backends: { process: { enabled: false }, containerd } };
}
