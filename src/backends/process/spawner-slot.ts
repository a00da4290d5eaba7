import { pauseAfter } from '../../core/creation/back-off.js';
import type { ContainerFailure } from '../../core/ports.js';
import type { BackendLog } from '../log.js';
import type { AgentsSocket } from './agents-socket.js';
import { CellPool, type CellPoolContext, type CellShape, type CellWaiter, transient } from './cell-pool.js';
import { Spawner } from './spawner.js';

/**
 * A place where a spawner lives: starts it, starts it again with back-off when it dies, and owns the pools of cells it makes. Starts that
 * come while it is being started wait for it; they fail as transient when it does not come up.
 */
export interface CellSource {
  /** Its spawner can be asked at once. */
  readonly up: boolean;
  /** Cells that would be granted at once. */
  readonly ready: number;
  take(waiter: CellWaiter): void;
  leave(waiter: CellWaiter): void;
}

export interface SpawnerSlotOptions {
  readonly name: string;
  readonly socket: AgentsSocket;
  readonly log: BackendLog;
  readonly cells: CellPoolContext;
  readonly startLimitMs: number;
  /** Brings the spawner up: launches a process, or asks a parent zygote. */
  readonly begin: (spawner: Spawner) => void;
  /** Try again after a death. A child zygote is not: its owner decides. */
  readonly restart: boolean;
  up?(slot: SpawnerSlot): void;
  down?(slot: SpawnerSlot, reason: string): void;
}

interface Source extends CellSource {
  readonly shape: CellShape;
  target: number;
  pool: CellPool | null;
  readonly queue: CellWaiter[];
}

const BACK_OFF_FIRST_MS = 50;
const BACK_OFF_MAX_MS = 10_000;
/** A spawner that lived this long had come up well: its next death starts counting anew. */
const STABLE_MS = 10_000;

export class SpawnerSlot {
  readonly name: string;
  readonly #options: SpawnerSlotOptions;
  readonly #sources = new Map<string, Source>();
  readonly #closing = new Set<Promise<unknown>>();
  #callbacks: (() => void)[] = [];
  #spawner: Spawner | null = null;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;
  #upSince = 0;
  #deathsInRow = 0;
  restarts = 0;
  /** Protections it reported missing. */
  off: readonly string[] = [];
  lastFailure: string | null = null;

  constructor(options: SpawnerSlotOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get up(): boolean {
    return this.#spawner?.state === 'up';
  }

  get pid(): number {
    return this.#spawner?.pid ?? 0;
  }

  get spawner(): Spawner | null {
    return this.#spawner;
  }

  start(): void {
    if (this.#spawner !== null || this.#stopped) return;
    const { name, socket, log, startLimitMs, begin } = this.#options;
    const spawner = new Spawner(name, socket, log, startLimitMs, {
      up: (off) => this.#cameUp(off),
      down: (reason) => this.#wentDown(reason),
    });
    this.#spawner = spawner;
    begin(spawner);
  }

  /** Calls back once, when it is up next. */
  whenUp(callback: () => void): void {
    this.#callbacks.push(callback);
  }

  /** Where containers of this shape come from; `target` ready ones are kept from the first call on. */
  source(shape: CellShape, target: number): CellSource {
    const key = JSON.stringify(shape);
    const known = this.#sources.get(key);
    if (known !== undefined) return known;
    const slot = this;
    const source: Source = {
      get up() {
        return slot.up;
      },
      get ready() {
        return source.pool?.ready ?? 0;
      },
      shape,
      target,
      pool: null,
      queue: [],
      take: (waiter) => this.#take(source, waiter),
      leave: (waiter) => leave(source, waiter),
    };
    this.#sources.set(key, source);
    this.#open(source);
    return source;
  }

  /** No function of this shape is left: its ready cells go. */
  async drop(shape: CellShape): Promise<void> {
    const key = JSON.stringify(shape);
    const source = this.#sources.get(key);
    if (source === undefined || source.pool?.busy || source.queue.length > 0) return;
    this.#sources.delete(key);
    await source.pool?.close('its functions are gone');
  }

  /** Ends a ready cell that holds an address; false = there is none. */
  yieldAddress(): boolean {
    for (const { shape, pool } of this.#sources.values()) {
      if (shape.network === 'bridge' && pool?.yieldOne() === true) return true;
    }
    return false;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#spawner?.stop();
    await Promise.all(this.#closing);
  }

  names(): string[] {
    return [...this.#sources.values()].flatMap((source) => source.pool?.names() ?? []);
  }

  counters(): { ready: number; spawned: number; failed: number; hits: number; misses: number } {
    const sum = { ready: 0, spawned: 0, failed: 0, hits: 0, misses: 0 };
    for (const { pool } of this.#sources.values()) {
      if (pool === null) continue;
      sum.ready += pool.ready;
      for (const name of ['spawned', 'failed', 'hits', 'misses'] as const) sum[name] += pool.counters[name];
    }
    return sum;
  }

  #take(source: Source, waiter: CellWaiter): void {
    if (source.pool !== null) source.pool.take(waiter);
    else if (this.#stopped) waiter.refused(transient(`the spawner "${this.name}" is stopped`));
    else source.queue.push(waiter);
  }

  #open(source: Source): void {
    if (!this.up || source.pool !== null) return;
    source.pool = new CellPool(this.#spawner as Spawner, source.shape, source.target, this.#options.cells);
    for (const waiter of source.queue.splice(0)) source.pool.take(waiter);
  }

  #cameUp(off: readonly string[]): void {
    this.off = off;
    this.#upSince = Date.now();
    this.lastFailure = null;
    // After this call has returned: the spawner hears of its connection only then.
    setImmediate(() => {
      for (const source of this.#sources.values()) this.#open(source);
      if (this.up) this.#options.up?.(this);
      for (const callback of this.#callbacks.splice(0)) callback();
    });
  }

  #wentDown(reason: string): void {
    this.#spawner = null;
    const failure: ContainerFailure = transient(`the spawner "${this.name}" ended: ${reason}`);
    for (const source of this.#sources.values()) {
      const { pool } = source;
      source.pool = null;
      if (pool !== null) {
        const closing = pool.close(failure.message).finally(() => this.#closing.delete(closing));
        this.#closing.add(closing);
      }
      for (const waiter of source.queue.splice(0)) waiter.refused(failure);
    }
    if (!this.#stopped) {
      this.lastFailure = reason;
      this.restarts++;
      this.#deathsInRow = this.#upSince > 0 && Date.now() - this.#upSince > STABLE_MS ? 1 : this.#deathsInRow + 1;
      this.#upSince = 0;
      this.#options.log.warn({ spawner: this.name, reason, deaths: this.#deathsInRow }, 'a spawner ended');
      if (this.#options.restart) {
        const delay = pauseAfter(this.#deathsInRow - 1, BACK_OFF_FIRST_MS, BACK_OFF_MAX_MS);
        this.#timer = setTimeout(() => {
          this.#timer = null;
          this.start();
        }, delay);
      }
    }
    this.#options.down?.(this, reason);
  }
}

function leave(source: Source, waiter: CellWaiter): void {
  source.pool?.leave(waiter);
  const index = source.queue.indexOf(waiter);
  if (index !== -1) source.queue.splice(index, 1);
}
