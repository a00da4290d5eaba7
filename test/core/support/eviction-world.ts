import fc from 'fast-check';
import type { FunctionRecord } from '../../../src/core/function-record.js';
import type { Container } from '../../../src/core/pool/container.js';
import { FunctionStats } from '../../../src/core/stats.js';
import { spec } from './harness.js';

/** Everything an eviction policy can be asked or told, by a pool that does nothing else. */

export interface StandInOptions {
  readonly memoryMb?: number;
  readonly keepAliveMs?: number | null;
}

/** A function without an engine. */
export function standIn(index: number, { memoryMb = 100, keepAliveMs = null }: StandInOptions = {}): FunctionRecord {
  return {
    key: `f${index}@1`,
    spec: spec({ name: `f${index}`, memoryMb, keepAliveMs }),
    index,
    stats: new FunctionStats(),
    queued: 0,
    running: 0,
    containers: 0,
    removed: false,
    stateOn: () => 'cold',
    warmOn: () => false,
  };
}

let lastId = 0;

/** A container of it that no policy has been told of. */
export function containerOf(fn: FunctionRecord): Container {
  return {
    id: ++lastId,
    fn,
    backend: 'model',
    device: 'cpu',
    gpu: -1,
    memoryMb: fn.spec.memoryMb,
    state: 'cold',
    phase: 'creating',
    createdAt: 0,
    idleSince: 0,
    invocations: 0,
    active: 0,
    measuredMb: 0,
    pending: null,
    poolNode: null,
    evictionNode: null,
    handle: undefined,
  };
}

/** One step of a history; `pick` chooses among what there is, `waitUs` passes before it. */
export interface Step {
  readonly kind: StepKind;
  readonly pick: number;
  readonly waitUs: number;
}

const WEIGHTS = {
  'cold start': 4,
  prewarm: 2,
  use: 5,
  end: 5,
  crash: 1,
  evict: 3,
  look: 1,
  tick: 1,
  learn: 1,
  forget: 1,
};
type StepKind = keyof typeof WEIGHTS;

export const history = fc.array(
  fc.record({
    kind: fc.oneof(
      ...Object.entries(WEIGHTS).map(([kind, weight]) => ({ weight, arbitrary: fc.constant(kind as StepKind) })),
    ),
    pick: fc.nat(10_000),
    // Instants that coincide, and times of the sizes at which keep-alives and bins begin and end.
    waitUs: fc.oneof(
      fc.nat(3),
      fc.integer({ min: 0, max: 200 }).map((minutes) => minutes * 30_000_000),
    ),
  }),
  // Without `size` most histories have fewer than ten steps, and policies differ later.
  { maxLength: 80, size: 'max' },
);

/** What a policy under test, or a naive one beside it, is told and asked. */
export interface Witness {
  idle(container: Container): void;
  /** `evicted`: it was named as victim, and nothing has happened since. */
  leave(container: Container, used: boolean, evicted: boolean): void;
  victim(): Container | null;
  expired(now: number): Container | null;
  arrived?(fn: FunctionRecord, now: number): void;
  prewarmDue?(now: number): FunctionRecord | null;
  forget?(fn: FunctionRecord): void;
}

/** A pool without memory limits, which does as a history says and tells a witness what the engine would. */
export class EvictionWorld {
  now = 0;
  readonly idle = new Set<Container>();
  readonly running = new Set<Container>();
  readonly #witness: Witness;
  readonly #functions: FunctionRecord[];
  #lastFunction: number;
  #named: Container | null = null;

  constructor(witness: Witness, functions: FunctionRecord[]) {
    this.#witness = witness;
    this.#functions = functions;
    this.#lastFunction = functions.length;
  }

  step({ kind, pick, waitUs }: Step): void {
    this.now += waitUs;
    const fn = this.#functions[pick % this.#functions.length] as FunctionRecord;
    if (kind === 'cold start') this.coldStart(fn);
    else if (kind === 'prewarm') this.prewarm(fn);
    else if (kind === 'evict') this.evict();
    else if (kind === 'look') this.look();
    else if (kind === 'tick') this.tick();
    else if (kind === 'learn') {
      fn.stats.cpu.cold.add(1 + pick * 7);
      fn.stats.cpu.warm.add(1 + (pick % 100));
    } else if (kind === 'forget') this.#replace(fn);
    else {
      const among =
        kind === 'use' ? this.idle : kind === 'end' ? this.running : new Set([...this.idle, ...this.running]);
      if (among.size === 0) return;
      const container = [...among][pick % among.size] as Container;
      if (kind === 'use') this.use(container);
      else if (kind === 'end') this.end(container);
      else this.destroy(container);
    }
  }

  coldStart(fn: FunctionRecord): Container {
    this.#witness.arrived?.(fn, this.now);
    const container = containerOf(fn);
    this.#toIdle(container);
    this.#take(container);
    return container;
  }

  prewarm(fn: FunctionRecord): Container {
    const container = containerOf(fn);
    container.state = 'prewarm';
    this.#toIdle(container);
    return container;
  }

  use(container: Container): void {
    this.#witness.arrived?.(container.fn, this.now);
    this.#take(container);
  }

  end(container: Container): void {
    this.running.delete(container);
    container.invocations++;
    container.state = 'warm';
    this.#toIdle(container);
  }

  look(): Container | null {
    this.#named = this.#witness.victim();
    return this.#named;
  }

  evict(): Container | null {
    const victim = this.look();
    if (victim !== null) this.destroy(victim);
    return victim;
  }

  /** All that is due, as the engine asks for it. */
  tick(): { expired: Container[]; prewarmed: FunctionRecord[] } {
    const expired: Container[] = [];
    const prewarmed: FunctionRecord[] = [];
    for (let old = this.#witness.expired(this.now); old !== null; old = this.#witness.expired(this.now)) {
      expired.push(old);
      this.destroy(old);
    }
    for (let fn = this.#due(); fn !== null; fn = this.#due()) prewarmed.push(fn);
    return { expired, prewarmed };
  }

  destroy(container: Container): void {
    this.idle.delete(container);
    this.running.delete(container);
    const evicted = container === this.#named;
    this.#named = null;
    container.phase = 'destroying';
    this.#witness.leave(container, false, evicted);
  }

  #due(): FunctionRecord | null {
    return this.#witness.prewarmDue?.(this.now) ?? null;
  }

  /** Unregistered with all its containers; another one comes in its place. */
  #replace(fn: FunctionRecord): void {
    fn.removed = true;
    this.#witness.forget?.(fn);
    for (const container of [...this.idle, ...this.running]) if (container.fn === fn) this.destroy(container);
    const { memoryMb, keepAliveMs } = fn.spec;
    this.#functions[this.#functions.indexOf(fn)] = standIn(this.#lastFunction++, { memoryMb, keepAliveMs });
  }

  #toIdle(container: Container): void {
    this.#named = null;
    container.phase = 'idle';
    container.idleSince = this.now;
    this.idle.add(container);
    this.#witness.idle(container);
  }

  #take(container: Container): void {
    this.#named = null;
    this.idle.delete(container);
    this.running.add(container);
    this.#witness.leave(container, true, false);
    container.phase = 'running';
  }
}
