import { pauseAfter } from '../../core/creation/back-off.js';
import type { Lifecycle } from '../lifecycle.js';
import type { BackendLog } from '../log.js';
import type { CellShape } from './cell-pool.js';
import type { Spawner } from './spawner.js';
import { type CellSource, SpawnerSlot, type SpawnerSlotOptions } from './spawner-slot.js';
import { SpreadSource } from './spread-source.js';

/**
 * The tree of warm Python interpreters: a base, and below it interpreters that have a function's heavy packages imported, each forked from the deepest
 * one whose packages are a subset of its own. Bounded in number and memory; the least recently used goes first, and its functions start from
 * what is left.
 */
export interface ZygoteLimits {
  readonly count: number;
  readonly bytes: number;
}

export interface ZygoteTreeOptions {
  /** Everything of a slot but its name and how it begins. */
  readonly slot: Omit<SpawnerSlotOptions, 'name' | 'begin' | 'restart'>;
  readonly base: SpawnerSlot;
  /** More of the same, for bursts. */
  readonly twins: readonly SpawnerSlot[];
  readonly limits: ZygoteLimits;
  readonly stemCells: number;
  readonly lifecycle: Lifecycle;
  readonly log: BackendLog;
}

/** What functions want warm, whether or not there is room for it now. */
interface Wish {
  readonly layer: string;
  readonly modules: ReadonlySet<string>;
  users: number;
  deaths: number;
  /** No new attempt before; ms since the epoch. */
  notBefore: number;
  /** Last start from it; ms since the epoch. */
  lastUsed: number;
  node: Node | null;
}

interface Node {
  readonly slot: SpawnerSlot;
  readonly wish: Wish;
  bytes: number;
  readonly settled: Promise<string | null>;
  settle(failure: string | null): void;
}

/** An interpreter used this recently is not given up for another one: taking turns would cost more than either saves. */
const KEEP_MS = 60_000;
const BACK_OFF_FIRST_MS = 1_000;
const BACK_OFF_MAX_MS = 300_000;

export class ZygoteTree {
  readonly #options: ZygoteTreeOptions;
  readonly #wishes = new Map<string, Wish>();
  readonly #nodes = new Set<Node>();
  /** By the base's own source of the same shape. */
  readonly #spread = new WeakMap<CellSource, SpreadSource>();
  #next = 1;
  #stopped = false;
  evicted = 0;
  failed = 0;

  constructor(options: ZygoteTreeOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#nodes.size;
  }

  get bytes(): number {
    let sum = 0;
    for (const node of this.#nodes) sum += node.bytes;
    return sum;
  }

  slots(): SpawnerSlot[] {
    return [...this.#nodes].map((node) => node.slot);
  }

  /** One more function wants an interpreter with these modules of this layer; resolves when it is up, or with the reason why there is none. */
  async want(layer: string, modules: readonly string[]): Promise<string | null> {
    const key = wishKey(layer, modules);
    let wish = this.#wishes.get(key);
    if (wish === undefined) {
      wish = { layer, modules: new Set(modules), users: 0, deaths: 0, notBefore: 0, lastUsed: 0, node: null };
      this.#wishes.set(key, wish);
    }
    wish.users++;
    wish.lastUsed = Date.now();
    if (this.#options.limits.count === 0) return 'sandbox.zygotes is 0';
    if (wish.node === null) {
      await this.#makeRoom(1);
      wish.node ??= this.#create(wish);
    }
    return wish.node.settled;
  }

  async unwant(layer: string, modules: readonly string[]): Promise<void> {
    const key = wishKey(layer, modules);
    const wish = this.#wishes.get(key);
    if (wish === undefined || --wish.users > 0) return;
    this.#wishes.delete(key);
    if (wish.node !== null) await this.#remove(wish.node);
  }

  /** Where to start a function from: the deepest interpreter that has nothing it does not use. */
  source(layer: string | null, modules: readonly string[], shape: CellShape): CellSource {
    const { base, stemCells } = this.#options;
    if (layer === null || modules.length === 0) return this.#baseSource(shape);
    const wish = this.#wishes.get(wishKey(layer, modules));
    if (wish !== undefined) {
      wish.lastUsed = Date.now();
      if (wish.node === null) this.#revive(wish);
    }
    const node = this.#deepest(layer, wish?.modules ?? new Set(modules));
    return (node?.slot ?? base).source(shape, stemCells);
  }

  #baseSource(shape: CellShape): CellSource {
    const { base, twins, stemCells } = this.#options;
    const first = base.source(shape, stemCells);
    if (twins.length === 0) return first;
    let spread = this.#spread.get(first);
    if (spread === undefined) {
      spread = new SpreadSource([first, ...twins.map((twin) => twin.source(shape, 0))]);
      this.#spread.set(first, spread);
    }
    return spread;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wishes.clear();
    await Promise.all([...this.#nodes].map((node) => this.#remove(node)));
  }

  /** In the background: one that was evicted or died, and is used again. */
  #revive(wish: Wish): void {
    const { limits } = this.#options;
    const now = Date.now();
    if (this.#stopped || limits.count === 0 || now < wish.notBefore) return;
    const oldest = this.#oldest();
    if (this.#nodes.size >= limits.count && oldest !== null && now - oldest.wish.lastUsed < KEEP_MS) return;
    // Not before this attempt has ended; a death sets it anew.
    wish.notBefore = now + BACK_OFF_FIRST_MS;
    void this.#makeRoom(1).then(() => {
      if (!this.#stopped && wish.users > 0) wish.node ??= this.#create(wish);
    });
  }

  #create(wish: Wish): Node {
    const parent = this.#deepest(wish.layer, wish.modules)?.slot ?? this.#options.base;
    const name = `python-${this.#next++}`;
    let settle: (failure: string | null) => void = () => {};
    const settled = new Promise<string | null>((resolve) => {
      settle = resolve;
    });
    const slot = new SpawnerSlot({
      ...this.#options.slot,
      name,
      restart: false,
      begin: (spawner) => {
        const imports = [...wish.modules].sort();
        const fork = (): void => forkZygote(parent, spawner, { name, path: [wish.layer], imports });
        if (parent.up) fork();
        else parent.whenUp(fork);
      },
      up: () => void this.#measure(node),
      down: (_slot, reason) => this.#died(node, reason),
    });
    const node: Node = { slot, wish, bytes: 0, settled, settle };
    this.#nodes.add(node);
    slot.start();
    return node;
  }

  async #measure(node: Node): Promise<void> {
    try {
      const [bytes = 0] = await this.#options.lifecycle.run('processMemoryBytes', { pids: [node.slot.pid] });
      node.bytes = bytes;
      await this.#makeRoom(0);
    } catch (error) {
      const reason = (error as Error).message;
      this.#options.log.warn({ zygote: node.slot.name, reason }, 'a zygote could not be measured');
    }
    node.settle(this.#nodes.has(node) ? null : 'it needs more memory than sandbox.zygoteMemoryMb allows');
  }

  #died(node: Node, reason: string): void {
    const { wish } = node;
    // Removed by us: its end is no failure.
    if (!this.#nodes.delete(node)) {
      node.settle(reason);
      return;
    }
    wish.node = null;
    wish.deaths++;
    wish.notBefore = Date.now() + pauseAfter(wish.deaths, BACK_OFF_FIRST_MS, BACK_OFF_MAX_MS);
    this.failed++;
    node.settle(reason);
  }

  #deepest(layer: string, modules: ReadonlySet<string>): Node | null {
    let best: Node | null = null;
    for (const node of this.#nodes) {
      const has = node.wish.modules;
      if (node.wish.layer !== layer || !node.slot.up || has.size > modules.size) continue;
      if (![...has].every((name) => modules.has(name))) continue;
      if (best === null || has.size > best.wish.modules.size) best = node;
    }
    return best;
  }

  #oldest(): Node | null {
    let oldest: Node | null = null;
    for (const node of this.#nodes) if (oldest === null || node.wish.lastUsed < oldest.wish.lastUsed) oldest = node;
    return oldest;
  }

  async #makeRoom(more: number): Promise<void> {
    const { limits, log } = this.#options;
    while (this.#nodes.size + more > limits.count || this.bytes > limits.bytes) {
      const oldest = this.#oldest();
      if (oldest === null) return;
      this.evicted++;
      log.info({ zygote: oldest.slot.name, bytes: oldest.bytes }, 'a zygote makes room');
      await this.#remove(oldest);
    }
  }

  async #remove(node: Node): Promise<void> {
    this.#nodes.delete(node);
    if (node.wish.node === node) node.wish.node = null;
    await node.slot.stop();
  }
}

/** Has one spawner come up as a fork of another that is up. */
export function forkZygote(
  parent: SpawnerSlot,
  spawner: Spawner,
  what: { readonly name: string; readonly path: readonly string[]; readonly imports: readonly string[] },
): void {
  const forker = parent.spawner;
  if (forker === null) {
    spawner.fail('its parent interpreter is not up');
    return;
  }
  forker.zygote(JSON.stringify(what), (pid, failure) => {
    if (failure !== null) spawner.fail(failure.message);
    else spawner.pid = pid;
  });
}

function wishKey(layer: string, modules: readonly string[]): string {
  return `${layer} ${[...modules].sort().join(' ')}`;
}
