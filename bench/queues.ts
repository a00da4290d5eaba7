import type { FunctionRecord, Invocation } from '../src/core/index.js';
import { cpuQueuePolicies, gpuQueuePolicies } from '../src/core/policies.js';
import { createPolicy, type PolicyEntry } from '../src/core/policy.js';
import type { QueuePolicy } from '../src/core/queue/queue-policy.js';
import { seededRandom } from '../src/core/random.js';
import { FunctionStats } from '../src/core/stats.js';
import { functionSpec } from './lib/function-spec.js';
import { atMost, type Bench, machine, median, type Target } from './lib/result.js';

/**
 * What a queue policy costs: one invocation pushed and one chosen, taken out, started and ended, while a number of others stay queued, of 100 functions. Beside it
 * the floor: an array used as a ring, to which the same invocations are pushed and from which they are shifted.
 *
 * A heap of 10 lies in the nearest cache and one of 10⁵ in none of the near ones, so time grows by more than the number of comparisons. What one of as many
 * nodes costs that is read at random is therefore measured in the same rounds, and a cost that grows with the logarithm may add a few of these.
 */

const LENGTHS = [10, 1000, 100_000] as const;
const FUNCTIONS = 100;
/** Operations timed in one go, and how often. All lengths of a policy and their floors take turns, so that a slow moment of the machine meets all of them. */
const OPERATIONS = 4000;
const ROUNDS = 9;
/** Before each round, so that it does not measure how the others have emptied the caches. */
const UNTIMED = 1000;
/** Rounds before the first that counts: the compiler has not seen the code yet. */
const WARM_UP_ROUNDS = 3;

/** Longest for a policy that says it is O(1); ns. */
const CONSTANT_NS = 1000;
/** log 10⁵ / log 10: how much more comparisons a heap of 10⁵ takes than one of 10. */
const LOGARITHMIC_GROWTH = 5;
/** Nodes looked at that are in no near cache: a heap of 10⁵ has 7 levels more than one of 10³, with two children to compare in each. */
const FAR_READS = 14;

interface Rig {
  readonly times: number[];
  /** One push and one pop for each. */
  run(fresh: readonly Invocation[]): void;
  readonly supply: Supply;
}

const SINK = { settled() {} };

function bareFunction(index: number, execUs: number): FunctionRecord {
  const stats = new FunctionStats();
  for (const device of [stats.cpu, stats.gpu]) {
    for (const characteristic of [device.exec, device.warm, device.cold]) characteristic.add(execUs);
  }
  stats.interArrival.add(execUs * 3);
  return {
    key: `f${index}-1`,
    spec: functionSpec({ name: `f${index}`, devices: ['cpu', 'gpu'] }),
    index,
    stats,
    queued: 0,
    running: 0,
    containers: 0,
    removed: false,
    stateOn: () => (index % 2 === 0 ? 'warm' : 'cold'),
    warmOn: () => index % 2 === 0,
  };
}

/** New invocations, the same for all. */
class Supply {
  readonly #random = seededRandom(1);
  readonly #functions = Array.from({ length: FUNCTIONS }, (_, i) => bareFunction(i, 1000 + ((i * 7919) % 997) * 100));
  #id = 0;

  make(count: number): Invocation[] {
    return Array.from({ length: count }, () => this.#one());
  }

  #one(): Invocation {
    return {
      id: this.#id++,
      fn: this.#functions[Math.floor(this.#random() * FUNCTIONS)] as FunctionRecord,
      device: 'gpu',
      tid: '',
      payload: null,
      sink: SINK,
      enqueuedAt: this.#id * 10,
      deadline: Number.POSITIVE_INFINITY,
      dispatchedAt: 0,
      runningAt: 0,
      attempts: 0,
      containerState: null,
      container: null,
      failedAttempts: null,
      phase: 'queued',
      queueNode: null,
    };
  }
}

function policyRig(entry: PolicyEntry<QueuePolicy>, length: number): Rig {
  const queue = createPolicy(entry, {}, { random: seededRandom(2), parallelism: 4 });
  const device = entry.family === 'gpu-queue' ? 0 : -1;
  const supply = new Supply();
  let now = 0;
  for (const one of supply.make(length)) {
    queue.push(one, one.fn.stats.cpu.exec.average, now);
    now += 10;
  }
  return {
    times: [],
    supply,
    run(fresh) {
      for (const one of fresh) {
        now += 10;
        queue.push(one, one.fn.stats.cpu.exec.average, now);
        const chosen = queue.choose(device, now);
        if (chosen === null) throw new Error(`${entry.name} keeps everything back while nothing runs`);
        queue.remove(chosen);
        queue.started(chosen, now);
        queue.ended(chosen, now);
      }
      if (queue.length !== length) throw new Error(`${entry.name} holds ${queue.length}, not ${length}`);
    },
  };
}

function floorRig(length: number): Rig {
  const capacity = length + 1;
  const ring = new Array<Invocation | null>(capacity).fill(null);
  const supply = new Supply();
  let [head, tail] = [0, 0];
  for (const one of supply.make(length)) ring[tail++] = one;
  return {
    times: [],
    supply,
    run(fresh) {
      for (const one of fresh) {
        ring[tail] = one;
        tail = tail + 1 === capacity ? 0 : tail + 1;
        const chosen = ring[head];
        if (chosen === null) throw new Error('the ring has lost something');
        ring[head] = null;
        head = head + 1 === capacity ? 0 : head + 1;
      }
    },
  };
}

interface Chained {
  readonly invocation: Invocation;
  priority: number;
  next: Chained;
}

/** Reads nodes in a random order, each of which says where the next one is. */
function randomReadRig(length: number): Rig {
  const supply = new Supply();
  const random = seededRandom(3);
  const nodes = supply.make(length).map((invocation, i) => ({ invocation, priority: i }) as Chained);
  // Sattolo: one cycle through all of them.
  const order = [...nodes.keys()];
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(random() * i);
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  for (const [i, node] of nodes.entries()) node.next = nodes[order[i] as number] as Chained;
  let at = nodes[0] as Chained;
  return {
    times: [],
    supply,
    run(fresh) {
      for (const _ of fresh) {
        at = at.next;
        if (at.priority < 0) throw new Error('there is no such priority');
      }
    },
  };
}

/** ns for one push and one pop. */
function timed(rig: Rig): number {
  rig.run(rig.supply.make(UNTIMED));
  const fresh = rig.supply.make(OPERATIONS);
  const start = process.hrtime.bigint();
  rig.run(fresh);
  return Number(process.hrtime.bigint() - start) / OPERATIONS;
}

interface Medians {
  readonly ns: number[];
  readonly floorNs: number[];
  readonly randomReadNs: number[];
}

/** For each of the lengths. Nothing of another policy is in memory meanwhile. */
function measure(entry: PolicyEntry<QueuePolicy>, rounds: number): Medians {
  const rigs = LENGTHS.map((length) => policyRig(entry, length));
  const floors = LENGTHS.map((length) => floorRig(length));
  const reads = LENGTHS.map((length) => randomReadRig(length));
  for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
    for (const rig of [...rigs, ...floors, ...reads]) {
      const ns = timed(rig);
      if (round >= 0) rig.times.push(ns);
    }
  }
  const medians = (all: Rig[]): number[] => all.map(({ times }) => median(times));
  return { ns: medians(rigs), floorNs: medians(floors), randomReadNs: medians(reads) };
}

function targetsOf({ family, name, cost }: PolicyEntry<QueuePolicy>, { ns, randomReadNs }: Medians): Target[] {
  const target = (i: number, limit: number): Target =>
    atMost(`${family} ${name}, ${LENGTHS[i]} queued, ns`, ns[i] as number, limit);
  if (cost === 'O(1)') return LENGTHS.map((_, i) => target(i, CONSTANT_NS));
  const last = LENGTHS.length - 1;
  return [target(last, LOGARITHMIC_GROWTH * (ns[0] as number) + FAR_READS * (randomReadNs[last] as number))];
}

export const bench: Bench = {
  name: 'queues',
  title: `Queue policies: one invocation pushed and one popped while others stay queued, of ${FUNCTIONS} functions; ns`,
  run({ long, log }) {
    const entries = [...Object.values(cpuQueuePolicies), ...Object.values(gpuQueuePolicies)];
    const figures: Record<string, number> = {};
    const floor: Record<string, number> = {};
    const ratios: Record<string, number> = {};
    const targets: Target[] = [];
    for (const entry of entries) {
      log(`${entry.family} ${entry.name}`);
      const medians = measure(entry, long ? 5 * ROUNDS : ROUNDS);
      for (const [i, length] of LENGTHS.entries()) {
        const label = `${entry.family} ${entry.name} ${length}`;
        figures[label] = medians.ns[i] as number;
        floor[label] = medians.floorNs[i] as number;
        ratios[label] = (medians.ns[i] as number) / (medians.floorNs[i] as number);
      }
      targets.push(...targetsOf(entry, medians));
    }
    return Promise.resolve({
      name: 'queues',
      machine: machine(),
      figures,
      floor,
      ratios,
      targets,
      notes: [
        'floor: an array of as many, used as a ring; the number behind a name is how many are queued',
        `limit of what is not O(1): ${LOGARITHMIC_GROWTH} times the time at ${LENGTHS[0]}, and ${FAR_READS} reads at random of as many`,
      ],
    });
  },
};
