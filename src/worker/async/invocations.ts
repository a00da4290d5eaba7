import type { AsyncFailure, AsyncInvocation } from '../../config/api.js';
import { IluvatarError } from '../../core/errors.js';
import { failpoint } from '../../failpoints.js';
import type { Gateway, GatewayResult } from '../../server/gateway.js';
import type { Store } from '../../store/store.js';
import { Acceptances, type AcceptRequest, type Alongside } from './acceptances.js';
import { Alarms } from './alarms.js';
import type { Ending, FinalStep, Outcome } from './ending.js';
import { type Entry, newEntry, tidOf, viewOf, waitForEnd, wake } from './entry.js';
import type { IdempotencyKeys } from './idempotency.js';
import { attemptsOf, begun, ended, interrupted, withdrawn } from './invocation-state.js';
import { Lane } from './lane.js';
import { aboutOf, failureOf, type Payloads, takeBytes } from './payload.js';
import type { AsyncPolicy } from './policy.js';
import { UnfinishedTable } from './unfinished-table.js';
import type { Writer } from './writer.js';

/**
 * Unfinished asynchronous invocations: accepted once they are on the disk, run through the gateway as everything else is, tried again, and ended exactly once.
 * The decisions are `invocation-state.ts` and `lane.ts`; here they meet the store, the gateway and the clock.
 */

export interface InvocationsOptions {
  store: Store;
  writer: Writer;
  gateway(): Pick<Gateway, 'resolve' | 'invoke'> & Payloads;
  keys: IdempotencyKeys;
  maxUnfinished: number;
  policy(name: string, version: string): AsyncPolicy;
  changing(name: string, version: string): boolean;
  ending: Ending;
  now(): number;
  random(): number;
}

export class Invocations {
  readonly #options: InvocationsOptions;
  readonly #table: UnfinishedTable;
  readonly #entries = new Map<string, Entry>();
  readonly #lanes = new Map<string, Lane<Entry>>();
  readonly #pumping = new Set<string>();
  readonly #pauses: Alarms<Entry>;
  readonly counters = { accepted: 0, retries: 0 };
  readonly #acceptances: Acceptances;
  #running = 0;
  /** `held`: nothing more begins. `withdrawing`: failures are the worker's own end, and no end of an invocation. */
  #mode: 'starting' | 'open' | 'held' | 'withdrawing' = 'starting';

  constructor(options: InvocationsOptions) {
    this.#options = options;
    this.#table = new UnfinishedTable(options.store);
    this.#pauses = new Alarms(options.now, (entry) => this.#resume(entry));
    this.#acceptances = new Acceptances({
      store: options.store,
      writer: options.writer,
      keys: options.keys,
      table: this.#table,
      entries: this.#entries,
      maxUnfinished: options.maxUnfinished,
      accepted: (entries) => this.#accepted(entries),
      now: options.now,
    });
  }

  get unfinished(): number {
    return this.#entries.size;
  }

  get running(): number {
    return this.#running;
  }

  /** When the oldest unfinished one was accepted; null = there is none. */
  get oldestAt(): number | null {
    for (const { accepted } of this.#entries.values()) return accepted.acceptedAt;
    return null;
  }

  /** Keys of unfinished ones, for `IdempotencyKeys.load`. */
  openKeys(): Set<string> {
    const keys = [...this.#entries.values()].map(({ accepted }) => accepted.idempotency);
    return new Set(keys.filter((key) => key !== null));
  }

  /** Reads what an earlier life of the worker has left; nothing runs before `open`. */
  load(): void {
    for (const { accepted, progress } of this.#table.load()) {
      const entry = newEntry(accepted, progress);
      this.#acceptances.startAfter(accepted.seq);
      this.#entries.set(entry.id, entry);
    }
  }

  /** Functions are registered: what `load` found goes on, and new ones may run. */
  open(): void {
    this.#mode = 'open';
    for (const entry of this.#entries.values()) this.#restore(entry);
    for (const key of [...this.#lanes.keys()]) this.#pump(key);
  }

  /** Nothing more begins; what runs goes on. */
  hold(): void {
    if (this.#mode !== 'withdrawing') this.#mode = 'held';
    this.#pauses.stop();
  }

  /** From now on a failure is the worker's end: such an invocation is run again in the next life. */
  withdraw(): void {
    this.hold();
    this.#mode = 'withdrawing';
    this.wakeAll();
  }

  /** Whoever waits for an end is told how it stands. */
  wakeAll(): void {
    for (const entry of this.#entries.values()) wake(entry);
  }

  /** As `Acceptances.accept`. */
  accept(request: AcceptRequest, alongside: Alongside | null = null): Promise<string> {
    return this.#acceptances.accept(request, alongside);
  }

  /** Null = no unfinished one has this id. Waits up to `waitMs` for its end. */
  async wait(id: string, waitMs: number): Promise<AsyncInvocation | null> {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.accepting !== null) return null;
    if (waitMs > 0 && this.#mode !== 'withdrawing') await waitForEnd(entry, waitMs);
    return this.#entries.has(id) ? viewOf(entry) : null;
  }

  /** Ends one that has not begun. Rejects with `not_found`, or with `conflict` when it has begun. */
  async cancel(id: string): Promise<void> {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.accepting !== null) {
      throw new IluvatarError('not_found', `no unfinished asynchronous invocation "${id}"`);
    }
    if (entry.progress.running || entry.ending || attemptsOf(entry.progress) > 0) {
      throw new IluvatarError('conflict', 'the invocation has begun');
    }
    this.#laneOf(entry).remove(entry);
    const error = { errorClass: 'cancelled', message: 'cancelled before it began', details: null };
    await this.#finish(entry, { to: 'failed', attempts: 0 }, failed(error));
  }

  #accepted(entries: readonly Entry[]): void {
    this.counters.accepted += entries.length;
    const keys = new Set<string>();
    for (const entry of entries) {
      this.#laneOf(entry).add(entry);
      keys.add(entry.key);
    }
    for (const key of keys) this.#pump(key);
  }

  /** As it was, or one attempt further when the worker ended during a run. */
  #restore(entry: Entry): void {
    if (entry.accepting !== null) return;
    const { name, version } = entry.accepted;
    if (entry.progress.running) {
      const step = interrupted(entry.progress, this.#options.policy(name, version));
      const error = { errorClass: 'unavailable', message: 'the worker ended while it ran', details: null };
      if (step.to !== 'retrying') {
        void this.#finish(entry, step, failed(error));
        return;
      }
      entry.progress = step.progress;
      entry.error = error;
    }
    const lane = this.#laneOf(entry);
    if (attemptsOf(entry.progress) === 0) {
      lane.add(entry);
      return;
    }
    lane.restorePaused(entry);
    this.#pauses.set(entry, entry.progress.dueAt);
  }

  #resume(entry: Entry): void {
    this.#laneOf(entry).resume(entry);
    this.#pump(entry.key);
  }

  #laneOf(entry: Entry): Lane<Entry> {
    let lane = this.#lanes.get(entry.key);
    if (lane === undefined) {
      lane = new Lane();
      this.#lanes.set(entry.key, lane);
    }
    return lane;
  }

  #pump(key: string): void {
    const lane = this.#lanes.get(key);
    // What ends at once comes back here from inside the loop, which goes on with it.
    if (lane === undefined || this.#mode !== 'open' || this.#pumping.has(key)) return;
    if (lane.empty) {
      this.#lanes.delete(key);
      return;
    }
    const [name, version] = splitKey(key);
    if (this.#options.changing(name, version) && this.#options.gateway().resolve(name, version) === 0) {
      // Not there while it is replaced: that must end nothing.
      setTimeout(() => this.#pump(key), CHANGING_MS).unref();
      return;
    }
    this.#pumping.add(key);
    const policy = this.#options.policy(name, version);
    while (lane.closedUntil <= this.#options.now()) {
      const entry = lane.take(policy);
      if (entry === null) break;
      this.#run(entry);
    }
    this.#pumping.delete(key);
  }

  #run(entry: Entry): void {
    const gateway = this.#options.gateway();
    const { name, version, timeoutMs, trace } = entry.accepted;
    entry.progress = begun(entry.progress);
    this.#running++;
    // Not waited for: it says only that a worker which ends now was interrupted here, and not which promise it made.
    this.#note(entry);
    const args = this.#table.get(entry.id)?.args ?? NOTHING;
    const sink = { trigger: 'pubsub' as const, settled: (result: GatewayResult) => this.#settled(entry, result) };
    failpoint('async.run');
    const body = args.length === 0 ? '' : args;
    const handle = gateway.resolve(name, version);
    gateway.invoke(handle, body, timeoutMs, tidOf(entry.accepted), sink, trace?.traceparent, trace?.tracestate);
  }

  #settled(entry: Entry, result: GatewayResult): void {
    const { now, random, gateway } = this.#options;
    const { name, version } = entry.accepted;
    const body = takeBytes(result.payload, gateway());
    this.#running--;
    const { errorClass } = result;
    if (errorClass !== null && this.#mode === 'withdrawing') {
      entry.progress = withdrawn(entry.progress);
      this.#note(entry);
      return;
    }
    const end = { errorClass, retryAfterMs: result.details?.retryAfterMs ?? 0 };
    const step = ended(entry.progress, end, this.#options.policy(name, version), now(), random);
    const error = errorClass === null ? null : failureOf(result);
    if (step.to === 'retrying') this.#retry(entry, step.progress, error);
    else void this.#finish(entry, step, { error, about: errorClass === null ? aboutOf(result) : null, body });
  }

  #retry(entry: Entry, progress: Entry['progress'], error: AsyncFailure | null): void {
    this.counters.retries++;
    entry.progress = progress;
    entry.error = error;
    this.#note(entry);
    const lane = this.#laneOf(entry);
    lane.pause(entry);
    // The queue is full: those behind it would be refused as well, and lose an attempt each.
    if (error?.errorClass === 'overloaded') lane.closedUntil = Math.max(lane.closedUntil, progress.dueAt);
    this.#pauses.set(entry, progress.dueAt);
    this.#pump(entry.key);
  }

  async #finish(entry: Entry, step: FinalStep, outcome: Outcome): Promise<void> {
    const { id } = entry;
    entry.ending = true;
    const accepted = () => this.#table.get(id);
    failpoint('async.ending');
    const stored = await this.#options.ending.finish(entry, step, outcome, accepted, () => this.#table.forget(id));
    if (!stored) return;
    failpoint('async.ended');
    this.#entries.delete(id);
    wake(entry);
    // Only now: the next of an ordered function must not begin before this end is sure.
    this.#laneOf(entry).end(entry);
    this.#pump(entry.key);
  }

  #note(entry: Entry): void {
    const { progress, error, id } = entry;
    this.#options.writer.note(() => this.#table.progress(id, progress, error));
  }
}

/** How often a function is looked for that is being replaced. */
const CHANGING_MS = 20;

/** Versions hold no "@". */
function splitKey(key: string): [name: string, version: string] {
  const at = key.lastIndexOf('@');
  return [key.slice(0, at), key.slice(at + 1)];
}

const NOTHING = new Uint8Array(0);

function failed(error: AsyncFailure): Outcome {
  return { error, about: null, body: NOTHING };
}
