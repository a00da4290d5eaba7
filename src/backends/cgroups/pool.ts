import { native } from '../../native.js';
import type { Activity } from '../activity.js';
import type { Lifecycle } from '../lifecycle.js';
import { type CgroupLayout, cgroupDirs } from './layout.js';

/**
 * Ready cgroups, made in batches off the shard, so that a start takes a name instead of making folders. Without cgroups every `take` is
 * answered at once with an empty one.
 */
export interface Cgroup {
  /** Name of the folder in every hierarchy; unique for the life of the worker. */
  readonly name: string;
  /** Empty = no cgroups here. */
  readonly dirs: string[];
}

export type CgroupTaken = (cgroup: Cgroup | null, failure: string | null) => void;

const BATCH_MAX = 64;

export class CgroupPool {
  readonly #layout: CgroupLayout;
  readonly #lifecycle: Lifecycle;
  readonly #activity: Activity;
  readonly #target: number;
  readonly #ready: Cgroup[] = [];
  readonly #waiting: CgroupTaken[] = [];
  readonly #inMaking = new Set<Cgroup>();
  #next: number;
  #scheduled = false;
  #madeOne = false;
  #closed = false;
  made = 0;

  /** `first`: the number of its first name; lower ones are in use. */
  constructor(layout: CgroupLayout, lifecycle: Lifecycle, activity: Activity, target: number, first = 1) {
    this.#next = first;
    this.#layout = layout;
    this.#lifecycle = lifecycle;
    this.#activity = activity;
    this.#target = layout.parents.length === 0 ? 0 : target;
  }

  /** May answer from inside the call. */
  take(taken: CgroupTaken): void {
    if (this.#layout.parents.length === 0) {
      taken({ name: this.#name(), dirs: [] }, null);
      return;
    }
    const ready = this.#ready.pop() ?? this.#makeOne();
    if (ready !== undefined) taken(ready, null);
    else this.#waiting.push(taken);
    // Half empty: a batch costs one hop however many it makes.
    if (this.#waiting.length > 0 || this.#ready.length * 2 <= this.#target) this.#fillSoon();
  }

  /**
   * A lone start that finds the pool empty makes its cgroup here: it takes less time than the way to the life-cycle pool and back. Once per loop turn, so
   * that a burst goes there in batches. What fails here fails there too, and is reported from there.
   */
  #makeOne(): Cgroup | undefined {
    if (this.#madeOne || this.#waiting.length > 0 || this.#inMaking.size > 0) return undefined;
    this.#madeOne = true;
    setImmediate(() => {
      this.#madeOne = false;
    });
    const name = this.#name();
    const cgroup = { name, dirs: cgroupDirs(this.#layout, name) };
    try {
      native().cgroup.create(cgroup.dirs);
    } catch {
      return undefined;
    }
    this.made++;
    return cgroup;
  }

  /** After the starts of this loop turn have all asked: one batch for them instead of one each. */
  #fillSoon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.fill();
    });
  }

  /** Tops the pool up in the background. */
  fill(): void {
    const wanted = this.#target + this.#waiting.length - this.#ready.length - this.#inMaking.size;
    if (wanted <= 0 || this.#closed) return;
    const cgroups: Cgroup[] = [];
    for (let i = 0; i < Math.min(wanted, BATCH_MAX); i++) {
      const name = this.#name();
      cgroups.push({ name, dirs: cgroupDirs(this.#layout, name) });
    }
    for (const cgroup of cgroups) this.#inMaking.add(cgroup);
    this.#lifecycle
      .run('createCgroups', { groups: cgroups.map((cgroup) => cgroup.dirs) })
      .catch((error: Error) => cgroups.map(() => error.message))
      .then((failures) => this.#filled(cgroups, failures));
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const taken of this.#waiting.splice(0)) taken(null, 'the worker is stopping');
    const groups = this.#ready.splice(0).map(({ dirs }) => ({ dirs, versions: [...this.#layout.versions] }));
    if (groups.length > 0) await this.#lifecycle.run('removeCgroups', { groups, graceMs: 0, limitMs: 1000 });
  }

  get size(): number {
    return this.#ready.length;
  }

  names(): string[] {
    return [...this.#inMaking, ...this.#ready].map((cgroup) => cgroup.name);
  }

  #name(): string {
    return `c${this.#next++}`;
  }

  #filled(cgroups: readonly Cgroup[], failures: readonly (string | null)[]): void {
    for (const cgroup of cgroups) this.#inMaking.delete(cgroup);
    let failed: string | null = null;
    for (const [index, cgroup] of cgroups.entries()) {
      const failure = failures[index] ?? null;
      if (failure === null) {
        this.made++;
        this.#ready.push(cgroup);
      } else failed = failure;
    }
    if (this.#closed) {
      void this.close();
      return;
    }
    while (this.#waiting.length > 0 && this.#ready.length > 0) {
      (this.#waiting.shift() as CgroupTaken)(this.#ready.pop() as Cgroup, null);
    }
    if (failed === null && cgroups.length > 0) this.#activity.running();
    if (failed !== null) {
      this.#activity.failed('error', `a cgroup could not be made: ${failed}`);
      // Those still waiting would meet the same failure: they hear it now instead of at their time-out.
      for (const taken of this.#waiting.splice(0)) taken(null, failed);
    } else if (this.#waiting.length > 0) this.fill();
  }
}
