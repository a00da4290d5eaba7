import { IluvatarError } from '../../core/errors.js';
import { failpoint } from '../../failpoints.js';
import type { Store } from '../../store/store.js';
import type { TraceHeaders } from '../../telemetry/tracing/trace-context.js';
import { type Entry, newEntry } from './entry.js';
import { type IdempotencyKeys, payloadHash } from './idempotency.js';
import { InvocationIds } from './invocation-id.js';
import type { UnfinishedTable } from './unfinished-table.js';
import type { Writer } from './writer.js';

export interface AcceptRequest {
  readonly name: string;
  readonly version: string;
  readonly args: Uint8Array;
  readonly timeoutMs: number;
  readonly tid: string;
  readonly webhook: string | null;
  /** A key made by `idempotencyKey`. */
  readonly idempotency: string | null;
  readonly replayOf: string | null;
  /** Null or absent = it is part of no trace. */
  readonly trace?: TraceHeaders | null;
}

/** What is stored in one step with an acceptance, or not at all. */
export interface Alongside {
  apply(id: string): void;
  /** The store refused. Parts of it may have arrived there. */
  undo(): void;
}

export interface AcceptancesOptions {
  store: Store;
  writer: Writer;
  keys: IdempotencyKeys;
  table: UnfinishedTable;
  /** All unfinished ones by id; those that are on their way to the disk are among them. */
  entries: Map<string, Entry>;
  maxUnfinished: number;
  /** They are on the disk, and whoever waits for them is about to be told. In the order of acceptance. */
  accepted(entries: readonly Entry[]): void;
  now(): number;
}

/** On its way to the disk. */
interface Acceptance {
  readonly entry: Entry;
  readonly alongside: Alongside | null;
  resolve(id: string): void;
  reject(error: unknown): void;
}

/**
 * How an asynchronous invocation is accepted: written, and answered once that is on the disk. Those that share a commit of the store are answered together, in one turn: a promise chain for each
 * of them would cost more than all that is written.
 */
export class Acceptances {
  readonly #options: AcceptancesOptions;
  readonly #ids: InvocationIds;
  /** Those that wait for the latest commit that was asked for. */
  #batch: { readonly commit: Promise<void>; readonly acceptances: Acceptance[] } | null = null;
  #seq = 0;

  constructor(options: AcceptancesOptions) {
    this.#options = options;
    this.#ids = new InvocationIds(options.now);
  }

  /** New ones come after this in order. */
  startAfter(seq: number): void {
    this.#seq = Math.max(this.#seq, seq);
  }

  /**
   * Resolves with its id once it is on the disk; with the id of an earlier one with the same idempotency key and arguments. Rejects with `overloaded`, `conflict`, or the store's error: then it was not accepted, though a worker that crashes right then may still run it.
   */
  accept(request: AcceptRequest, alongside: Alongside | null): Promise<string> {
    // What the executor throws rejects it.
    return new Promise((resolve, reject) => this.#accept(request, alongside, resolve, reject));
  }

  #accept(
    request: AcceptRequest,
    alongside: Alongside | null,
    resolve: (id: string) => void,
    reject: (error: unknown) => void,
  ): void {
    const { store, table, keys, now, entries, maxUnfinished } = this.#options;
    const { name, version, args, timeoutMs, tid, webhook, idempotency, replayOf, trace = null } = request;
    const payload = idempotency === null ? '' : payloadHash(args);
    const known = idempotency === null ? null : keys.find(idempotency, payload);
    if (known !== null) {
      // The first of the two may not be on the disk yet, or be refused.
      const accepting = entries.get(known)?.accepting ?? Promise.resolve();
      accepting.then(() => resolve(known), reject);
      return;
    }
    if (entries.size >= maxUnfinished) {
      const message = `${entries.size} asynchronous invocations are unfinished`;
      throw new IluvatarError('overloaded', message, { retryAfterMs: 1000 });
    }
    const id = this.#ids.next();
    const seq = ++this.#seq;
    const acceptedAt = now();
    // Field by field: to spread another object into it takes longer than to encode it.
    const accepted = {
      id,
      seq,
      acceptedAt,
      name,
      version,
      timeoutMs,
      tid,
      webhook,
      idempotency,
      replayOf,
      trace,
      args,
    };
    const claim = idempotency === null ? null : keys.claim(idempotency, id, payload);
    const acceptance = { entry: newEntry(accepted, null), alongside, resolve, reject };
    entries.set(id, acceptance.entry);
    try {
      if (claim === null && alongside === null) table.accept(accepted);
      else {
        store.atomically(() => {
          table.accept(accepted);
          if (claim !== null) keys.put(idempotency as string, claim);
          alongside?.apply(id);
        });
      }
      acceptance.entry.accepting = this.#durable(acceptance);
      failpoint('async.accepting');
    } catch (error) {
      this.#refuse(acceptance, error);
    }
  }

  /** The store's promise: whoever waits for it from now on comes after its acceptances. */
  #durable(acceptance: Acceptance): Promise<void> {
    const commit = this.#options.store.durable();
    if (this.#batch?.commit === commit) {
      this.#batch.acceptances.push(acceptance);
      return commit;
    }
    const batch = { commit, acceptances: [acceptance] };
    this.#batch = batch;
    commit.then(
      () => this.#accepted(this.#closed(batch)),
      (error: unknown) => {
        for (const refused of this.#closed(batch)) this.#refuse(refused, error);
      },
    );
    return commit;
  }

  /** A store may give the same promise again for what it has kept already. */
  #closed(batch: { readonly acceptances: readonly Acceptance[] }): readonly Acceptance[] {
    if (this.#batch === batch) this.#batch = null;
    return batch.acceptances;
  }

  #accepted(acceptances: readonly Acceptance[]): void {
    failpoint('async.accepted');
    for (const { entry, resolve } of acceptances) {
      entry.accepting = null;
      resolve(entry.id);
    }
    this.#options.accepted(acceptances.map(({ entry }) => entry));
  }

  #refuse({ entry, alongside, reject }: Acceptance, error: unknown): void {
    const { keys, writer, entries, table } = this.#options;
    const { idempotency } = entry.accepted;
    entries.delete(entry.id);
    writer.note(() => {
      table.forget(entry.id);
      if (idempotency !== null) keys.release(idempotency);
      alongside?.undo();
    });
    reject(error);
  }
}
