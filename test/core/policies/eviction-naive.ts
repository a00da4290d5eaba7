import type { FunctionRecord } from '../../../src/core/function-record.js';
import type { Container } from '../../../src/core/pool/container.js';
import type { Witness } from '../support/eviction-world.js';

/** The eviction policies once more, written from their definitions with lists and loops. They keep nothing on the containers. */

interface Entry {
  readonly container: Container;
  idle: boolean;
  /** How many containers had become idle when this one did. */
  idledAt: number;
}

/** All containers in the order in which they were made, and what a policy adds to that. */
abstract class Naive<E extends Entry = Entry> implements Witness {
  protected entries: E[] = [];
  #idled = 0;

  idle(container: Container): void {
    let entry = this.entryOf(container);
    if (entry === undefined) {
      entry = this.enter({ container, idle: false, idledAt: 0 });
      this.entries.push(entry);
    }
    entry.idle = true;
    entry.idledAt = ++this.#idled;
    this.onIdle(entry);
  }

  leave(container: Container, used: boolean, evicted: boolean): void {
    const entry = this.entryOf(container) as E;
    entry.idle = false;
    // The use for which it was made is no hit.
    if (used && (container.state === 'prewarm' || container.invocations > 0)) this.onHit(entry);
    if (used) return;
    this.onGone(entry, evicted);
    this.entries = this.entries.filter((other) => other !== entry);
  }

  abstract victim(): Container | null;

  expired(_now: number): Container | null {
    return null;
  }

  protected abstract enter(entry: Entry): E;
  protected onIdle(_entry: E): void {}
  protected onHit(_entry: E): void {}
  protected onGone(_entry: E, _evicted: boolean): void {}

  protected entryOf(container: Container): E | undefined {
    return this.entries.find((entry) => entry.container === container);
  }

  /** The idle one with the least value, and among equals the one longest idle. */
  protected least(value: (entry: E) => number): E | null {
    const idle = this.entries.filter((entry) => entry.idle);
    idle.sort((a, b) => value(a) - value(b) || a.idledAt - b.idledAt);
    return idle[0] ?? null;
  }
}

export class NaiveLru extends Naive {
  victim(): Container | null {
    return this.least((entry) => entry.idledAt)?.container ?? null;
  }

  protected enter(entry: Entry): Entry {
    return entry;
  }
}

export class NaiveTtl extends NaiveLru {
  readonly #keepAliveUs: number;

  constructor(keepAliveUs: number) {
    super();
    this.#keepAliveUs = keepAliveUs;
  }

  override expired(now: number): Container | null {
    const expiry = ({ idleSince, fn }: Container): number =>
      idleSince + (fn.spec.keepAliveMs === null ? this.#keepAliveUs : 1000 * fn.spec.keepAliveMs);
    const over = this.entries.filter((entry) => entry.idle && expiry(entry.container) <= now);
    over.sort((a, b) => expiry(a.container) - expiry(b.container) || a.container.id - b.container.id);
    return over[0]?.container ?? null;
  }
}

interface PricedEntry extends Entry {
  priority: number;
}

export class NaiveGreedyDual extends Naive<PricedEntry> {
  #clock = 0;

  victim(): Container | null {
    return this.least((entry) => entry.priority)?.container ?? null;
  }

  protected worth({ fn }: Container): number {
    const { cold, warm, exec } = fn.stats.cpu;
    if (cold.count === 0) return 1;
    return Math.max(1, cold.average - (warm.count > 0 ? warm.average : exec.average));
  }

  protected enter(entry: Entry): PricedEntry {
    return { ...entry, priority: 0 };
  }

  protected override onIdle(entry: PricedEntry): void {
    entry.priority = this.#clock + this.worth(entry.container);
  }

  protected override onGone(entry: PricedEntry, evicted: boolean): void {
    if (evicted) this.#clock = entry.priority;
  }
}

export class NaiveGdsf extends NaiveGreedyDual {
  /** Ended invocations of each function that has containers. */
  readonly #uses = new Map<FunctionRecord, number>();
  readonly #before = new Map<Container, number>();

  override idle(container: Container): void {
    const { fn, invocations } = container;
    const more = invocations - (this.#before.get(container) ?? 0);
    this.#before.set(container, invocations);
    this.#uses.set(fn, (this.#uses.get(fn) ?? 0) + more);
    super.idle(container);
  }

  override leave(container: Container, used: boolean, evicted: boolean): void {
    super.leave(container, used, evicted);
    if (!this.entries.some((entry) => entry.container.fn === container.fn)) this.#uses.delete(container.fn);
  }

  protected override worth(container: Container): number {
    const frequency = Math.max(1, this.#uses.get(container.fn) ?? 0);
    return (frequency * super.worth(container)) / container.memoryMb;
  }
}

interface VisitedEntry extends Entry {
  visited: boolean;
}

/** Algorithm 1 of the paper, whose NULL is null; those that run are stepped over. */
export class NaiveSieve extends Naive<VisitedEntry> {
  #hand: VisitedEntry | null = null;

  victim(): Container | null {
    if (!this.entries.some((entry) => entry.idle)) return null;
    let entry = this.#hand ?? (this.entries[0] as VisitedEntry);
    while (!entry.idle || entry.visited) {
      if (entry.idle) entry.visited = false;
      entry = this.#newer(entry) ?? (this.entries[0] as VisitedEntry);
    }
    this.#hand = entry;
    return entry.container;
  }

  protected enter(entry: Entry): VisitedEntry {
    return { ...entry, visited: false };
  }

  protected override onHit(entry: VisitedEntry): void {
    entry.visited = true;
  }

  protected override onGone(entry: VisitedEntry): void {
    if (entry === this.#hand) this.#hand = this.#newer(entry);
  }

  #newer(entry: VisitedEntry): VisitedEntry | null {
    return this.entries[this.entries.indexOf(entry) + 1] ?? null;
  }
}

interface QueuedEntry extends Entry {
  /** Of the two queues; -1 in `place` = taken off it while running. */
  main: boolean;
  place: number;
  frequency: number;
}

/** Algorithm 1 of the paper by shares of memory; one that runs when its turn comes is taken off, and queues anew. */
export class NaiveS3Fifo extends Naive<QueuedEntry> {
  #ghosts: FunctionRecord[] = [];
  #places = 0;

  victim(): Container | null {
    if (!this.entries.some((entry) => entry.idle)) return null;
    for (;;) {
      const mb = (entries: QueuedEntry[]): number =>
        entries.reduce((sum, { container }) => sum + container.memoryMb, 0);
      const small = this.entries.filter((entry) => !entry.main);
      const [firstOfSmall, firstOfMain] = [false, true].map((main) => this.#first(main));
      const preferred = mb(small) >= 0.1 * mb(this.entries) ? firstOfSmall : firstOfMain;
      const entry = (preferred ?? firstOfSmall ?? firstOfMain) as QueuedEntry;
      if (!entry.idle) entry.place = -1;
      else if (entry.main && entry.frequency > 0) {
        entry.frequency--;
        entry.place = ++this.#places;
      } else if (!entry.main && entry.frequency > 1) this.#promote(entry);
      else return entry.container;
    }
  }

  forget(fn: FunctionRecord): void {
    this.#ghosts = this.#ghosts.filter((ghost) => ghost !== fn);
  }

  protected enter(entry: Entry): QueuedEntry {
    const main = this.#ghosts.includes(entry.container.fn);
    this.forget(entry.container.fn);
    return { ...entry, main, place: -1, frequency: 0 };
  }

  protected override onIdle(entry: QueuedEntry): void {
    if (entry.place >= 0) return;
    if (!entry.main && entry.frequency > 1) this.#promote(entry);
    else entry.place = ++this.#places;
  }

  protected override onHit(entry: QueuedEntry): void {
    entry.frequency = Math.min(3, entry.frequency + 1);
  }

  protected override onGone(entry: QueuedEntry, evicted: boolean): void {
    if (!evicted || entry.main) return;
    const { fn } = entry.container;
    this.forget(fn);
    this.#ghosts.push(fn);
    const limit = Math.max(1, Math.floor(0.9 * (this.entries.length - 1)));
    while (this.#ghosts.length > limit) this.#ghosts.shift();
  }

  #promote(entry: QueuedEntry): void {
    entry.main = true;
    entry.frequency = 0;
    entry.place = ++this.#places;
  }

  #first(main: boolean): QueuedEntry | null {
    const queue = this.entries.filter((entry) => entry.main === main && entry.place >= 0);
    queue.sort((a, b) => a.place - b.place);
    return queue[0] ?? null;
  }
}
