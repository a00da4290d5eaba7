import type { FunctionRecord } from '../core/function-record.js';
import { recall, type StatsSnapshot, snapshotOf } from '../core/stats-snapshot.js';
import { failpoint } from '../failpoints.js';
import type { Store, Table } from '../store/store.js';

/**
 * What the engine has learnt of functions, kept over restarts: written every so often while functions run, when they are unregistered, and at the end. It is no promise, so nobody waits
 * for it: a crash loses what was learnt since the last time. Content of another digest begins anew.
 */

interface KeptCharacteristics {
  readonly digest: string;
  readonly stats: StatsSnapshot;
}

export interface LearntFunction {
  readonly record: FunctionRecord;
  readonly digest: string;
}

export interface CharacteristicsKeeperOptions {
  readonly store: Store;
  readonly periodMs: number;
  functions(): Iterable<LearntFunction>;
}

export class CharacteristicsKeeper {
  readonly #options: CharacteristicsKeeperOptions;
  readonly #table: Table<KeptCharacteristics>;
  /** Invocations at the last writing: who has not run since is not written. */
  readonly #written = new WeakMap<FunctionRecord, number>();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: CharacteristicsKeeperOptions) {
    this.#options = options;
    this.#table = options.store.table('characteristics');
  }

  /** Something has run. On the warm path: all but the first of a period return at once. */
  arm(): void {
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.write();
    }, this.#options.periodMs);
    this.#timer.unref();
  }

  /** True when something was known of this content. */
  recall({ record, digest }: LearntFunction): boolean {
    const kept = this.#table.get(record.key);
    if (kept === undefined || kept.digest !== digest) return false;
    recall(record.stats, kept.stats);
    this.#written.set(record, seen(record));
    return true;
  }

  note({ record, digest }: LearntFunction): void {
    if (this.#written.get(record) === seen(record)) return;
    this.#written.set(record, seen(record));
    this.#table.put(record.key, { digest, stats: snapshotOf(record.stats) });
  }

  /** Of functions that are not registered. */
  forgetOthers(isRegistered: (key: string) => boolean): void {
    for (const [key] of [...this.#table.entries()]) if (!isRegistered(key)) this.#table.remove(key);
  }

  write(): void {
    for (const learnt of this.#options.functions()) this.note(learnt);
    failpoint('characteristics.written');
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.write();
  }
}

function seen({ stats }: FunctionRecord): number {
  return stats.interArrival.count + stats.cpu.e2e.count + stats.gpu.e2e.count + stats.memory.count;
}
