import { fileURLToPath } from 'node:url';
import type { FunctionRecord } from '../../src/core/function-record.js';
import { createPolicy } from '../../src/core/policy.js';
import type { Container } from '../../src/core/pool/container.js';
import type { EvictionPolicy } from '../../src/core/pool/eviction/eviction-policy.js';
import { evictionPolicies } from '../../src/core/pool/eviction/policies.js';
import { type Random, seededRandom } from '../../src/core/random.js';
import { FunctionStats } from '../../src/core/stats.js';
import { functionSpec } from './function-spec.js';
import { median } from './result.js';

/**
 * The rounds of one eviction policy and of its floor, interleaved. A program of its own, which prints its figures as JSON: a worker has one policy a
 * device, and code that the compiler has seen with the containers of seven policies is not the code that a worker runs.
 */

export interface EvictionFigures {
  /** ns: name the victim, take it out, let a new container become idle; among 100,000 and among 100 idle ones. */
  readonly evictNs: number;
  readonly evictFewNs: number;
  /** ns a warm invocation: `leave` and `idle` of one among 100,000. */
  readonly warmNs: number;
  readonly floorNs: number;
}

const MANY = 100_000;
const FEW = 100;
const FUNCTIONS = 500;
/** A round is so many times: some uses, then twice as many evictions, each timed apart. The same for many and few, so that both have the same to pass over. */
const CHUNKS = 100;
const USES = 50;
const EVICTIONS = 100;
const WARM_UP_ROUNDS = 3;

class IdleContainer implements Container {
  readonly id: number;
  readonly fn: FunctionRecord;
  readonly backend = 'none';
  readonly device = 'cpu';
  readonly gpu = -1;
  readonly memoryMb: number;
  state: Container['state'] = 'warm';
  phase: Container['phase'] = 'idle';
  readonly createdAt: number;
  idleSince: number;
  invocations = 1;
  active = 0;
  measuredMb = 0;
  pending = null;
  poolNode = null;
  evictionNode: unknown = null;
  handle = null;

  constructor(id: number, fn: FunctionRecord, now: number) {
    this.id = id;
    this.fn = fn;
    this.memoryMb = fn.spec.memoryMb;
    this.createdAt = now;
    this.idleSince = now;
  }
}

/** The same questions to a queue that decides nothing. */
class ArrayQueue implements EvictionPolicy {
  #containers: Container[] = [];
  #first = 0;

  idle(container: Container): void {
    this.#containers.push(container);
  }

  leave(): void {
    if (++this.#first < MANY) return;
    this.#containers = this.#containers.slice(this.#first);
    this.#first = 0;
  }

  victim(): Container | null {
    return this.#containers[this.#first] ?? null;
  }

  expired(): null {
    return null;
  }

  nextExpiry(): number {
    return Number.POSITIVE_INFINITY;
  }
}

/** A policy with so many idle containers of 500 functions, no two of which cost the same. */
class Rig {
  readonly #policy: EvictionPolicy;
  readonly #functions: FunctionRecord[];
  readonly #random: Random = seededRandom(7);
  /** Those that idle, in no order; `#place` by id. */
  readonly #idle: Container[] = [];
  readonly #places = new Map<Container, number>();
  #now = 0;
  #made = 0;

  constructor(policy: EvictionPolicy, count: number) {
    this.#policy = policy;
    this.#functions = Array.from({ length: FUNCTIONS }, (_, index) => functionRecord(index, this.#random));
    for (let i = 0; i < count; i++) {
      const container = this.#make();
      policy.idle(container);
      this.#add(container);
    }
  }

  /** ns a warm invocation: `leave` and `idle`. */
  use(count: number): number {
    const policy = this.#policy;
    const chosen = Array.from({ length: count }, () => this.#any());
    return timed(count, () => {
      for (const container of chosen) {
        policy.leave(container, true);
        container.invocations++;
        container.idleSince = ++this.#now;
        policy.idle(container);
      }
    });
  }

  /** ns an eviction. Containers are made beforehand: what is measured is the policy. */
  evict(count: number): number {
    const policy = this.#policy;
    const added = Array.from({ length: count }, () => this.#make());
    const evicted: Container[] = [];
    const ns = timed(count, () => {
      for (const container of added) {
        const victim = policy.victim() as Container;
        policy.leave(victim, false);
        evicted.push(victim);
        container.idleSince = ++this.#now;
        policy.idle(container);
      }
    });
    for (const container of added) this.#add(container);
    for (const container of evicted) this.#remove(container);
    return ns;
  }

  #make(): Container {
    const fn = this.#functions[Math.floor(this.#random() * FUNCTIONS)] as FunctionRecord;
    return new IdleContainer(++this.#made, fn, ++this.#now);
  }

  #any(): Container {
    return this.#idle[Math.floor(this.#random() * this.#idle.length)] as Container;
  }

  #add(container: Container): void {
    this.#places.set(container, this.#idle.push(container) - 1);
  }

  #remove(container: Container): void {
    const place = this.#places.get(container) as number;
    const last = this.#idle.pop() as Container;
    this.#places.delete(container);
    if (last === container) return;
    this.#idle[place] = last;
    this.#places.set(last, place);
  }
}

function functionRecord(index: number, random: Random): FunctionRecord {
  const stats = new FunctionStats();
  const runUs = 1000 + Math.floor(random() * 1_000_000);
  stats.ended('cpu', 'cold', runUs, runUs + 100_000 + Math.floor(random() * 3_000_000), runUs);
  stats.ended('cpu', 'warm', runUs, runUs, runUs);
  return {
    key: `f${index}@1`,
    spec: functionSpec({ name: `f${index}`, memoryMb: 64 + Math.floor(random() * 1000) }),
    index,
    stats,
    queued: 0,
    running: 0,
    containers: 0,
    removed: false,
    stateOn: () => 'warm',
    warmOn: () => true,
  };
}

function timed(count: number, work: () => void): number {
  const start = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - start) / count;
}

/** Means over one round. */
function round(rig: Rig): { evictNs: number; warmNs: number } {
  let evictNs = 0;
  let warmNs = 0;
  for (let chunk = 0; chunk < CHUNKS; chunk++) {
    warmNs += rig.use(USES) / CHUNKS;
    evictNs += rig.evict(EVICTIONS) / CHUNKS;
  }
  return { evictNs, warmNs };
}

/** ns an operation, medians of the rounds. */
function measure(create: () => EvictionPolicy, rounds: number): EvictionFigures {
  const rigs = [new Rig(create(), MANY), new Rig(create(), FEW), new Rig(new ArrayQueue(), MANY)] as const;
  const measured: { many: ReturnType<typeof round>; few: ReturnType<typeof round>; floor: number }[] = [];
  for (let i = -WARM_UP_ROUNDS; i < rounds; i++) {
    const [many, few] = [round(rigs[0]), round(rigs[1])];
    const floor = rigs[2].evict(CHUNKS * EVICTIONS);
    if (i >= 0) measured.push({ many, few, floor });
  }
  return {
    evictNs: median(measured.map(({ many }) => many.evictNs)),
    evictFewNs: median(measured.map(({ few }) => few.evictNs)),
    warmNs: median(measured.map(({ many }) => many.warmNs)),
    floorNs: median(measured.map(({ floor }) => floor)),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const entry = evictionPolicies[process.argv[2] as keyof typeof evictionPolicies];
  const create = (): EvictionPolicy => createPolicy(entry, {}, { random: seededRandom(1), parallelism: 4 });
  console.log(JSON.stringify(measure(create, Number(process.argv[3]))));
}
