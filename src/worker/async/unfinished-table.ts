import type { AsyncFailure } from '../../config/api.js';
import type { Store, Table } from '../../store/store.js';
import type { Progress } from './invocation-state.js';
import { ACCEPTED_RANGE, type AcceptedRecord, acceptedKey, type ProgressRecord, progressKey } from './records.js';

/** Unfinished invocations in the store: the two rows of each. All but `load` and `get` are changes, and durable when the store says so. */
export class UnfinishedTable {
  readonly #accepted: Table<AcceptedRecord>;
  readonly #progress: Table<ProgressRecord>;

  constructor(store: Store) {
    this.#accepted = store.table<AcceptedRecord>('invocations');
    this.#progress = store.table<ProgressRecord>('invocations');
  }

  /** In the order of acceptance; null = its first attempt has not begun. */
  load(): { accepted: AcceptedRecord; progress: ProgressRecord | null }[] {
    const records = [...this.#accepted.entries(ACCEPTED_RANGE)].map(([, accepted]) => accepted);
    records.sort((a, b) => a.seq - b.seq);
    return records.map((accepted) => ({ accepted, progress: this.#progress.get(progressKey(accepted.id)) ?? null }));
  }

  get(id: string): AcceptedRecord | undefined {
    return this.#accepted.get(acceptedKey(id));
  }

  accept(accepted: AcceptedRecord): void {
    this.#accepted.put(acceptedKey(accepted.id), accepted);
  }

  progress(id: string, progress: Progress, error: AsyncFailure | null): void {
    this.#progress.put(progressKey(id), { ...progress, error });
  }

  forget(id: string): void {
    this.#accepted.remove(acceptedKey(id));
    this.#progress.remove(progressKey(id));
  }
}
