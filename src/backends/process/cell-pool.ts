import { pauseAfter } from '../../core/creation/back-off.js';
import type { ContainerFailure } from '../../core/ports.js';
import { failpoint } from '../../failpoints.js';
import type { Frame } from '../../transport/frame.js';
import { FrameType } from '../../transport/frames.js';
import type { CloseReason } from '../../transport/transport.js';
import type { Activity } from '../activity.js';
import { describeExit, readExit } from '../agent/exit.js';
import type { Cgroup, CgroupPool } from '../cgroups/pool.js';
import type { BackendLog } from '../log.js';
import type { AddressLease, Networks } from '../networks.js';
import type { UserIds } from '../user-ids.js';
import type { AgentsSocket } from './agents-socket.js';
import { Cell, type CellObserver } from './cell.js';
import type { Reaper } from './reaper.js';
import type { Spawner } from './spawner.js';

/**
 * Stem cells of one kind: made ahead by one spawner, handed out to starts, replaced in the background. Urgent ones (a start is
 * waiting) go first and many at once; replacements come two at a time and only when no start has been served for a moment, so that they do
 * not compete with the one just served.
 */
export interface CellShape {
  /** null = the spawner's own runtime (zygote); `["@assign"]` = executed once assigned. */
  readonly argv: readonly string[] | null;
  readonly env: Readonly<Record<string, string>>;
  readonly network: 'none' | 'host' | 'bridge';
  /** The agent says HELLO before ASSIGN: a stem cell is complete only then. */
  readonly agentFirst: boolean;
}

export interface CellPoolContext {
  readonly socket: AgentsSocket;
  readonly cgroups: CgroupPool;
  readonly networks: Networks | null;
  readonly reaper: Reaper;
  readonly userIds: UserIds | null;
  readonly log: BackendLog;
  /** The making of stem cells. */
  readonly activity: Activity;
  /** Part of SPAWN that is the same for all: files, processes, tmpMb. */
  readonly defaults: Readonly<Record<string, unknown>>;
}

/** Waits for a cell. Exactly one of the two is called, possibly from inside `take`. */
export interface CellWaiter {
  granted(cell: Cell): void;
  refused(failure: ContainerFailure): void;
}

const URGENT_AT_ONCE = 32;
const REFILL_AT_ONCE = 2;
const REFILL_DELAY_MS = 15;
const REFILL_LATEST_MS = 150;
/** A cell that is not up by then never will be. */
const UP_LIMIT_MS = 20_000;
const BACK_OFF_FIRST_MS = 100;
const BACK_OFF_MAX_MS = 30_000;

export class CellPool implements CellObserver {
  readonly shape: CellShape;
  readonly #spawner: Spawner;
  readonly #context: CellPoolContext;
  readonly #stems: Cell[] = [];
  /** Asked for and not yet complete, with the time by which they must be. */
  readonly #coming = new Map<Cell, number>();
  readonly #waiters: CellWaiter[] = [];
  #preparing = 0;
  #target: number;
  #lastTake = 0;
  #firstTake = 0;
  #refillTimer: NodeJS.Timeout | null = null;
  #watchTimer: NodeJS.Timeout | null = null;
  #failuresInRow = 0;
  #closed = false;
  readonly counters = { spawned: 0, failed: 0, hits: 0, misses: 0 };

  constructor(spawner: Spawner, shape: CellShape, target: number, context: CellPoolContext) {
    this.#spawner = spawner;
    this.shape = shape;
    this.#target = target;
    this.#context = context;
    this.#pump(true);
  }

  get ready(): number {
    return this.#stems.length;
  }

  get busy(): boolean {
    return this.#waiters.length > 0;
  }

  names(): string[] {
    return [...this.#stems, ...this.#coming.keys()].map((cell) => cell.name);
  }

  take(waiter: CellWaiter): void {
    const now = Date.now();
    if (this.#firstTake === 0) this.#firstTake = now;
    this.#lastTake = now;
    const stem = this.#stems.pop();
    if (stem !== undefined) {
      this.counters.hits++;
      this.#refillLater();
      waiter.granted(stem);
      return;
    }
    this.counters.misses++;
    // One that is on its way as a replacement and can already be assigned is quicker than a new one.
    for (const cell of this.#coming.keys()) {
      if (cell.supervisor !== null) {
        this.#coming.delete(cell);
        this.#refillLater();
        waiter.granted(cell);
        return;
      }
    }
    this.#waiters.push(waiter);
    this.#pump(false);
  }

  /** The start was called off. */
  leave(waiter: CellWaiter): void {
    const index = this.#waiters.indexOf(waiter);
    if (index !== -1) this.#waiters.splice(index, 1);
  }

  /** Fails those waiting and ends its cells. */
  close(why: string): Promise<unknown> {
    this.#closed = true;
    if (this.#refillTimer !== null) clearTimeout(this.#refillTimer);
    if (this.#watchTimer !== null) clearInterval(this.#watchTimer);
    this.#refillTimer = this.#watchTimer = null;
    const cells = [...this.#stems.splice(0), ...this.#coming.keys()];
    this.#coming.clear();
    for (const waiter of this.#waiters.splice(0)) waiter.refused(transient(why));
    return Promise.all(cells.map((cell) => this.#context.reaper.end(cell)));
  }

  /** Ends one that waits for nobody, so that what it holds is free for others; false = there is none. */
  yieldOne(): boolean {
    const cell = this.#stems.pop() ?? (this.#waiters.length === 0 ? this.#coming.keys().next().value : undefined);
    if (cell === undefined) return false;
    this.#coming.delete(cell);
    void this.#context.reaper.end(cell);
    this.#refillLater(BACK_OFF_MAX_MS);
    return true;
  }

  supervisorUp(cell: Cell): void {
    if (this.#waiters.length > 0) this.#handOut(cell);
    else if (!this.shape.agentFirst) this.#complete(cell);
  }

  agentUp(cell: Cell): void {
    // Its connections may arrive in either order; without its supervisor it cannot be assigned.
    if (cell.supervisor !== null && this.#coming.has(cell)) this.#complete(cell);
  }

  supervisorFrame(cell: Cell, frame: Frame): void {
    if (frame.type === FrameType.exited) this.#lost(cell, describeExit(readExit(frame)));
    else if (frame.type === FrameType.log) {
      this.#context.log.warn(
        { cell: cell.name, output: frame.body().toString('utf8') },
        'output of an unused container',
      );
    }
  }

  agentFrame(cell: Cell): void {
    this.#lost(cell, 'its agent spoke before it was asked');
  }

  supervisorClosed(cell: Cell, reason: CloseReason): void {
    this.#lost(cell, reason.message);
  }

  agentClosed(cell: Cell, reason: CloseReason): void {
    this.#lost(cell, reason.message);
  }

  spawnFailed(cell: Cell, failure: ContainerFailure): void {
    this.#lost(cell, failure.message, failure);
  }

  #handOut(cell: Cell): void {
    this.#coming.delete(cell);
    this.#well();
    (this.#waiters.shift() as CellWaiter).granted(cell);
    if (this.#waiters.length === 0) this.#refillLater();
    else this.#pump(false);
  }

  #complete(cell: Cell): void {
    if (this.#waiters.length > 0) {
      this.#handOut(cell);
      return;
    }
    this.#coming.delete(cell);
    this.#well();
    this.#stems.push(cell);
    this.#pump(true);
  }

  #well(): void {
    this.#failuresInRow = 0;
    this.#context.activity.running();
  }

  /** Starts as many cells as are wanted now. `refill`: replacements too, not only what starts wait for. */
  #pump(refill: boolean): void {
    if (this.#closed || this.#spawner.state !== 'up') return;
    const coming = this.#coming.size + this.#preparing;
    const urgent = Math.min(this.#waiters.length, URGENT_AT_ONCE) - coming;
    const missing = this.#target - this.#stems.length - coming;
    const more = refill && urgent <= 0 ? Math.min(missing, REFILL_AT_ONCE - coming) : urgent;
    for (let i = 0; i < more; i++) this.#start();
  }

  #start(): void {
    this.#preparing++;
    this.#context.cgroups.take((cgroup, failure) => {
      failpoint('process.cgroup');
      if (cgroup !== null && this.shape.network === 'bridge') {
        this.#connect(cgroup);
        return;
      }
      this.#preparing--;
      if (cgroup === null) this.#failed(transient(`no cgroup: ${failure}`));
      else this.#spawn(cgroup, null);
    });
  }

  #connect(cgroup: Cgroup): void {
    const { networks, reaper } = this.#context;
    if (networks === null) throw new Error('a function with network "bridge" was registered without networks');
    networks.bridged.take((lease, failure) => {
      this.#preparing--;
      if (lease !== null) {
        this.#spawn(cgroup, lease);
        return;
      }
      void reaper.end(new Cell(cgroup, null, null, this));
      this.#failed(failure ?? transient('no network'));
    }, this.#waiters.length > 0);
  }

  #spawn(cgroup: Cgroup, lease: AddressLease | null): void {
    const { socket, reaper, userIds, defaults } = this.#context;
    const userId = userIds?.take() ?? null;
    const cell = new Cell(cgroup, userId, lease, this).expect(socket);
    if (this.#closed || (userIds !== null && userId === null)) {
      void reaper.end(cell);
      if (!this.#closed) this.#failed(transient('all container uids are in use (sandbox.uidCount)'));
      return;
    }
    this.counters.spawned++;
    this.#coming.set(cell, Date.now() + UP_LIMIT_MS);
    this.#watch();
    const id = userId ?? process.getuid?.() ?? 0;
    const meta = JSON.stringify({
      container: cell.name,
      token: cell.token,
      cgroup: cgroup.dirs.length === 0 ? '' : cgroup.name,
      network: this.shape.network,
      ...(lease === null ? {} : { networkNamespace: lease.name }),
      uid: id,
      gid: userId ?? process.getgid?.() ?? 0,
      argv: this.shape.argv,
      env: this.shape.env,
      ...defaults,
    });
    failpoint('process.spawn');
    this.#spawner.spawn(meta, (pid, failure) => {
      cell.pid = pid;
      failpoint('process.spawned');
      if (failure !== null) cell.observer.spawnFailed(cell, failure);
    });
  }

  #lost(cell: Cell, reason: string, failure: ContainerFailure | null = null): void {
    const index = this.#stems.indexOf(cell);
    const known = this.#coming.delete(cell) || index !== -1;
    if (index !== -1) this.#stems.splice(index, 1);
    void this.#context.reaper.end(cell);
    if (known) this.#failed(failure ?? transient(`the container ended before it was used: ${reason}`));
  }

  #failed(failure: ContainerFailure): void {
    this.counters.failed++;
    this.#failuresInRow++;
    this.#context.activity.failed('error', `${this.#spawner.name}: ${failure.message}`);
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) waiter.refused(failure);
    // Failing again and again must not become a busy loop: replacements wait longer each time, starts are tried as they come.
    if (this.#waiters.length > 0) this.#pump(false);
    else this.#refillLater(pauseAfter(this.#failuresInRow, BACK_OFF_FIRST_MS, BACK_OFF_MAX_MS));
  }

  #refillLater(delay = REFILL_DELAY_MS): void {
    if (this.#refillTimer !== null || this.#closed || this.#target === 0) return;
    this.#refillTimer = setTimeout(() => {
      this.#refillTimer = null;
      const now = Date.now();
      if (now - this.#lastTake < REFILL_DELAY_MS && now - this.#firstTake < REFILL_LATEST_MS) {
        this.#refillLater();
        return;
      }
      this.#firstTake = 0;
      this.#pump(true);
    }, delay);
  }

  /** One timer for all, and only while some are on their way. */
  #watch(): void {
    if (this.#watchTimer !== null) return;
    this.#watchTimer = setInterval(() => {
      const now = Date.now();
      for (const [cell, limit] of this.#coming) {
        if (now > limit) this.#lost(cell, `not up after ${UP_LIMIT_MS} ms`);
      }
      if (this.#coming.size === 0 && this.#watchTimer !== null) {
        clearInterval(this.#watchTimer);
        this.#watchTimer = null;
      }
    }, 1_000);
    this.#watchTimer.unref();
  }
}

export function transient(message: string): ContainerFailure {
  return { errorClass: 'start_failed', message, details: null, transient: true };
}
