import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type ContainerCgroup, containerCgroups, processesIn } from './lib/container-cgroups.js';
import { startIdleNode, startIdlePython } from './lib/idle-floor.js';
import { processTree, proportionalMb, residentMb, secondsBetween, threadTimes } from './lib/processes.js';
import { atMost, type Bench, type BenchOptions, type BenchResult, machine, median } from './lib/result.js';
import { startWorker, type WorkerProcess } from './lib/worker-process.js';

/** What a thousand cached containers cost while nothing happens: processor time of all processes together, memory reads, and memory. */
export const bench: Bench = {
  name: 'idle',
  title: '1,000 cached Python hello containers, idle',
  run,
};

const CONTAINERS = 1000;
const MEMORY_MB = 16;
const WINDOWS = 5;
/** Containers whose memory is read. */
const SAMPLE = 20;
/** How many invocations run before the silence, so that there are containers that have run among them. */
const INVOCATIONS = 500;
const SETTLE_MS = 3000;
const HELLO = fileURLToPath(new URL('../functions/hello', import.meta.url));

async function run({ long, log }: BenchOptions): Promise<BenchResult> {
  const windowMs = long ? 10_000 : 2000;
  await using worker = await startWorker({ memory: { budgetMb: CONTAINERS * MEMORY_MB * 2 } });
  await using node = await startIdleNode();
  await using python = await startIdlePython();
  await pause(1000);
  const withoutMb = residentMb(worker.pid);
  log(`starting ${CONTAINERS} containers`);
  await fill(worker);
  await pause(SETTLE_MS);
  const tree = processTree(worker.pid);
  const readsBefore = await memoryReads(worker);
  log(`measuring ${tree.length} processes for ${(WINDOWS * windowMs) / 1000} s`);
  const ours: number[] = [];
  const floor: number[] = [];
  const begun = performance.now();
  const first = threadTimes(tree);
  let [last, lastNode] = [first, threadTimes([node.pid])];
  for (let round = 0; round < WINDOWS; round++) {
    const since = performance.now();
    await pause(windowMs);
    const [now, nowNode] = [threadTimes(tree), threadTimes([node.pid])];
    const seconds = (performance.now() - since) / 1000;
    ours.push((100 * secondsBetween(last, now)) / seconds);
    floor.push((100 * secondsBetween(lastNode, nowNode)) / seconds);
    [last, lastNode] = [now, nowNode];
  }
  const overall = (100 * secondsBetween(first, last)) / ((performance.now() - begun) / 1000);
  const { memory, counters } = await worker.client.status();
  if (memory.cachedContainers !== CONTAINERS) throw new Error(`only ${memory.cachedContainers} containers are cached`);
  const reads = (counters['memoryReads'] ?? Number.NaN) - readsBefore;
  const withMb = residentMb(worker.pid);
  const containerMb = median(containers(worker).map(memoryOf));
  const pythonMb = proportionalMb(python.pid);
  const nodeMb = residentMb(node.pid);
  await worker.client.clean();
  const left = (await worker.client.status()).memory.cachedContainers;
  return {
    name: 'idle',
    machine: machine(),
    figures: {
      '% of a core, median window': median(ours),
      '% of a core, all windows': overall,
      'worker RSS MiB': withMb,
      'worker RSS without containers MiB': withoutMb,
      'PSS of a container MiB': containerMb,
      'memory reads': reads,
    },
    floor: {
      '% of a core, median window': median(floor),
      'worker RSS MiB': nodeMb,
      'worker RSS without containers MiB': nodeMb,
      'PSS of a container MiB': pythonMb,
    },
    ratios: {
      'worker RSS MiB': withMb / nodeMb,
      'worker RSS without containers MiB': withoutMb / nodeMb,
      'PSS of a container MiB': containerMb / pythonMb,
    },
    targets: [
      atMost('% of a core, median window', median(ours), 0.5),
      // Over 10 s V8's one collection after a burst weighs too much to be called idling; over 50 s it has to fit in.
      ...(long ? [atMost('% of a core, all windows', overall, 0.5)] : []),
      atMost('memory reads', reads, 0),
      atMost('worker RSS with containers, MiB', withMb, 150),
      atMost('worker RSS without, MiB', withoutMb, 120),
      atMost('PSS of a container, MiB', containerMb, 6),
      atMost('containers left after clean', left, 0),
    ],
    notes: [
      `${tree.length} processes: worker, launcher, zygotes, and supervisor and agent of each container; ${INVOCATIONS} invocations ran before`,
      'V8 collects once, ~50–100 ms of processor time, 5 to 20 s after the burst that made the containers: in "all windows" when it falls into them',
      'floors: an idle node; an idle python3 -S on its own (PSS)',
    ],
  };
}

async function fill({ client }: WorkerProcess): Promise<void> {
  await client.register({ name: 'hello', source: HELLO, memoryMb: MEMORY_MB });
  const { containers } = await client.prewarm('hello', { count: CONTAINERS });
  if (containers < CONTAINERS) throw new Error(`only ${containers} of ${CONTAINERS} containers became ready`);
  await Promise.all(Array.from({ length: INVOCATIONS }, () => client.invoke('hello', { name: 'idle' })));
}

async function memoryReads({ client }: WorkerProcess): Promise<number> {
  return (await client.status()).counters['memoryReads'] ?? Number.NaN;
}

/** Cgroups of `SAMPLE` containers, spread over all. Those of stem cells and of nobody are few among a thousand. */
function containers({ name }: WorkerProcess): ContainerCgroup[] {
  const all = containerCgroups(name).filter((cgroup) => processesIn(cgroup).length >= 2);
  const step = Math.max(1, Math.floor(all.length / SAMPLE));
  return all.filter((_, i) => i % step === 0).slice(0, SAMPLE);
}

/** Supervisor and agent; MiB. */
function memoryOf(cgroup: ContainerCgroup): number {
  return processesIn(cgroup).reduce((sum, pid) => sum + proportionalMb(pid), 0);
}
