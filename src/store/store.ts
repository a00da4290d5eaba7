/**
 * What a worker must not forget, on its disk: registrations, what it made and has not removed, accepted asynchronous invocations and their
 * results. Owners keep what they need at hand in memory and write changes here; they read it once, at the start.
 *
 * Implementations: `lmdb-store.ts`, and `memory-store.ts` for workers without a disk, tests and simulation.
 */
export interface Store {
  /** Made when the store was first opened; what belongs to this worker carries it. */
  readonly identity: string;
  /** The same object for the same name. */
  table<Value>(name: TableName): Table<Value>;
  /**
   * Resolves once all that was put or removed before this call is on the disk. Calls under way at the same time share one commit and one fsync, and may share the promise. Rejects
   * with an IluvatarError (`unavailable`) that names the cause (disk full, read-only, …); then what was written since the last success may or may not be there.
   */
  durable(): Promise<void>;
  /** `changes` only puts and removes, and returns at once: all of it is there after a crash, or nothing. */
  atomically(changes: () => void): void;
  /** So many since it was made; a store that does not write has none. */
  readonly commits: number;
  /** What stands in the way of writing, in words; null = nothing. */
  readonly trouble: string | null;
  /** Writes what is left. Nothing may be called afterwards. */
  close(): Promise<void>;
}

/**
 * Keys are strings of at most 500 bytes in the order of their UTF-8 bytes; values are plain JSON (no undefined, no functions) with `Uint8Array` allowed.
 * Not promised: that `get` or `entries` sees a change before `durable()` after it has resolved; that a change survives a crash before that.
 */
export interface Table<Value> {
  get(key: string): Value | undefined;
  put(key: string, value: Value): void;
  remove(key: string): void;
  /** In order of the keys. `from` is included, `to` is not. */
  entries(range?: KeyRange): Iterable<readonly [key: string, value: Value]>;
  count(): number;
}

export interface KeyRange {
  readonly from?: string;
  readonly to?: string;
  readonly limit?: number;
}

/** Each is owned by one module; its value's shape is that module's, its version the schema's. */
export const TABLE_NAMES = [
  'functions',
  'characteristics',
  'invocations',
  'results',
  'idempotency',
  'schedules',
  'deadLetters',
  'webhooks',
] as const;
export type TableName = (typeof TABLE_NAMES)[number];
