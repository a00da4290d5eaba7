import type {
  AsyncCounters,
  AsyncInvocation,
  DeadLetter,
  DeadLetterSelection,
  FunctionDefinition,
  Schedule,
} from '../../config/api.js';
import type { AsyncConfig } from '../../config/sections/async.js';
import { IluvatarError } from '../../core/errors.js';
import type { Gateway } from '../../server/gateway.js';
import type { Store } from '../../store/store.js';
import type { Log } from '../../telemetry/logs/log.js';
import type { InvocationObserver } from '../../telemetry/tracing/invocation-observer.js';
import { DeadLetters } from './dead-letters.js';
import { Ending } from './ending.js';
import { IdempotencyKeys, idempotencyKey } from './idempotency.js';
import { Invocations } from './invocations.js';
import { AsyncPolicies, type AsyncPolicy } from './policy.js';
import { documentOf, Results } from './results.js';
import { type NewSchedule, Schedules } from './schedules.js';
import { checkWebhookUrl } from './webhook-request.js';
import { Webhooks } from './webhooks.js';
import { Writer } from './writer.js';

/** Asynchronous invocations of one worker, put together on its store: what the control plane asks for, and the order of start and end. */

export interface AsyncServiceOptions {
  store: Store;
  config: AsyncConfig;
  /** Asked for when something runs: it is made after this. */
  gateway(): Pick<Gateway, 'resolve' | 'invoke' | 'body' | 'drop'>;
  /** Of a registered function; undefined = there is none. */
  definition(name: string, version: string): FunctionDefinition | undefined;
  /** Whether it is about to be there, as while it is replaced. */
  changing(name: string, version: string): boolean;
  /** Traces; null or absent = there are none. */
  spans?: Pick<InvocationObserver, 'accept'> | null;
  log: Log;
  /** Wall clock, ms since 1970; the machine's unless given. */
  now?(): number;
  /** Uniform in [0, 1). */
  random?(): number;
}

export interface InvokeAsyncRequest {
  readonly name: string;
  readonly version: string;
  readonly timeoutMs?: number | undefined;
  readonly tid?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly webhook?: string | undefined;
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
}

export class AsyncService {
  readonly #options: AsyncServiceOptions;
  readonly #now: () => number;
  readonly #policies: AsyncPolicies;
  readonly #writer: Writer;
  readonly #results: Results;
  readonly #keys: IdempotencyKeys;
  readonly #deadLetters: DeadLetters;
  readonly #webhooks: Webhooks;
  readonly #ending: Ending;
  readonly #invocations: Invocations;
  readonly #schedules: Schedules;
  #sweep: NodeJS.Timeout | null = null;

  constructor(options: AsyncServiceOptions) {
    const { store, config, gateway, log, now = Date.now, random = Math.random } = options;
    this.#options = options;
    this.#now = now;
    this.#policies = new AsyncPolicies(config);
    const writer = new Writer(store, log);
    this.#writer = writer;
    this.#results = new Results(store, config.results);
    this.#keys = new IdempotencyKeys(store, config.idempotency.keepMs, now);
    this.#deadLetters = new DeadLetters(store, config.deadLetters);
    this.#webhooks = new Webhooks({
      store,
      writer,
      settings: config.webhooks,
      document: (id) => this.#document(id),
      settled: (id) => this.#results.pin(id, false),
      now,
      random,
      log,
    });
    this.#ending = new Ending({
      writer,
      results: this.#results,
      deadLetters: this.#deadLetters,
      webhooks: this.#webhooks,
      keys: this.#keys,
      keepMs: config.results.keepMs,
      now,
    });
    this.#invocations = new Invocations({
      store,
      writer,
      gateway,
      keys: this.#keys,
      ending: this.#ending,
      maxUnfinished: config.maxUnfinished,
      policy: (name, version) => this.#policy(name, version),
      changing: options.changing,
      now,
      random,
    });
    this.#schedules = new Schedules({
      store,
      writer,
      settings: config.schedules,
      accept: (request, alongside) => this.#invocations.accept(request, alongside),
      now,
      log,
    });
  }

  /** Reads the store: from then on all that an earlier life accepted can be asked for. Nothing runs before `start`. */
  load(): void {
    this.#results.load();
    this.#deadLetters.load();
    this.#invocations.load();
    this.#keys.load(this.#invocations.openKeys());
    this.#schedules.load();
    for (const id of this.#webhooks.load()) this.#results.pin(id, true);
  }

  /** The functions are registered: what was accepted goes on. */
  start(): void {
    this.#invocations.open();
    this.#webhooks.start();
    this.#schedules.start();
    this.#armSweep();
  }

  /** Begins nothing more. What runs goes on, and its end is stored. */
  hold(): void {
    this.#schedules.stop();
    this.#invocations.hold();
  }

  /** Another process is about to go on: nothing begins any more, and whoever waits for a result is told how it stands. */
  pause(): void {
    this.hold();
    this.#invocations.wakeAll();
  }

  /** After `pause`: this one goes on itself. */
  resume(): void {
    this.#invocations.open();
    this.#schedules.start();
  }

  /** The worker is about to cut off what runs: such failures are no ends. Whoever waits for a result is answered. */
  withdraw(): void {
    this.hold();
    this.#invocations.withdraw();
  }

  /** Resolves once nothing here uses the store any more; what has not ended is run in the next life. */
  async close(): Promise<void> {
    this.withdraw();
    if (this.#sweep !== null) clearTimeout(this.#sweep);
    await this.#webhooks.close();
    await this.#writer.close();
  }

  /** Resolves with the id once the invocation is durable. Rejects as `Acceptances.accept` does; throws `invalid` for a webhook that may not be. */
  invoke(args: Uint8Array, request: InvokeAsyncRequest): Promise<string> {
    const { name, version, timeoutMs = 0, tid = '', idempotencyKey: key, traceparent = '', tracestate = '' } = request;
    const webhook = request.webhook ?? this.#policy(name, version).webhook;
    this.checkWebhook(webhook);
    const idempotency = key === undefined ? null : idempotencyKey('user', name, version, key);
    this.#armSweep();
    const acceptance = this.#options.spans?.accept(name, version, traceparent, tracestate) ?? null;
    const trace = acceptance?.headers ?? null;
    const accepted = this.#invocations.accept({
      name,
      version,
      args,
      timeoutMs,
      tid,
      webhook,
      idempotency,
      replayOf: null,
      trace,
    });
    if (acceptance !== null) {
      accepted.then(
        () => acceptance.end(null),
        (error: unknown) => acceptance.end((error as Error).message),
      );
    }
    return accepted;
  }

  /** As it is, or as it is once it has ended within `waitMs`. Rejects with `not_found` for what is unknown or no longer kept. */
  async result(id: string, waitMs: number): Promise<AsyncInvocation> {
    this.#expire();
    const found = (await this.#invocations.wait(id, waitMs)) ?? this.#document(id);
    if (found === null) {
      throw new IluvatarError('not_found', `no asynchronous invocation "${id}" (unknown, or its result has expired)`);
    }
    return found;
  }

  async cancel(id: string): Promise<void> {
    if (this.#document(id) !== null) throw new IluvatarError('conflict', 'the invocation has ended');
    await this.#invocations.cancel(id);
  }

  deadLetters(filter: { name?: string | undefined; version?: string | undefined; limit: number }): DeadLetter[] {
    this.#expire();
    return this.#deadLetters.list(filter, filter.limit);
  }

  deadLetter(id: string): DeadLetter & { arguments: unknown } {
    return this.#deadLetters.describe(id);
  }

  /** Runs them again, as new invocations. Resolves with their ids once these are durable; each letter is gone from that moment. */
  async replay(selection: DeadLetterSelection): Promise<string[]> {
    const ids = this.#deadLetters.select(selection);
    for (const id of ids) this.#checkReplayed(id);
    // All in the same turn: they share a commit.
    const replays = await Promise.allSettled(ids.map((id) => this.#replay(id)));
    const refused = replays.find((replay) => replay.status === 'rejected');
    if (refused !== undefined) throw refused.reason;
    return replays.map((replay) => (replay as PromiseFulfilledResult<string>).value);
  }

  /** Resolves with how many, once they are gone from the disk. */
  async purge(selection: DeadLetterSelection): Promise<number> {
    const ids = this.#deadLetters.select(selection);
    this.#options.store.atomically(() => {
      for (const id of ids) this.#deadLetters.remove(id);
    });
    await this.#options.store.durable();
    return ids.length;
  }

  async addSchedule(schedule: NewSchedule): Promise<Schedule> {
    const webhook = schedule.webhook ?? this.#policy(schedule.name, schedule.version).webhook;
    this.checkWebhook(webhook);
    return await this.#schedules.add({ ...schedule, webhook });
  }

  schedules(): Schedule[] {
    return this.#schedules.list();
  }

  async removeSchedule(id: string): Promise<void> {
    await this.#schedules.remove(id);
  }

  /** Throws `invalid`; null = none. */
  checkWebhook(url: string | null): void {
    if (url !== null) checkWebhookUrl(url, this.#options.config.webhooks.hosts);
  }

  counters(): AsyncCounters {
    const { unfinished, running, oldestAt, counters } = this.#invocations;
    return {
      ...counters,
      ...this.#ending.counters,
      waiting: unfinished - running,
      running,
      oldestAgeMs: oldestAt === null ? 0 : Math.max(0, this.#now() - oldestAt),
      results: this.#results.count,
      resultBytes: this.#results.bytes,
      deadLetters: this.#deadLetters.count,
      schedules: this.#schedules.count,
      webhooksWaiting: this.#webhooks.waiting,
      webhooksDelivered: this.#webhooks.counters.delivered,
      webhooksFailed: this.#webhooks.counters.failed,
    };
  }

  #policy(name: string, version: string): AsyncPolicy {
    return this.#policies.of(this.#options.definition(name, version));
  }

  /** The result of an ended one; of a dead one whose result has expired, what its letter says. */
  #document(id: string): AsyncInvocation | null {
    const record = this.#results.get(id);
    if (record !== null) return documentOf(record);
    const letter = this.#deadLetters.find(id);
    if (letter === null) return null;
    const { name, version, attempts, acceptedAt, diedAt, error } = letter;
    return { id, status: 'dead', name, version, attempts, acceptedAt, finishedAt: diedAt, result: null, error };
  }

  #checkReplayed(id: string): void {
    const { name, version } = this.#deadLetters.get(id).accepted;
    if (this.#options.definition(name, version) === undefined) {
      throw new IluvatarError('not_found', `${name}@${version} of dead letter "${id}" is not registered`);
    }
  }

  async #replay(id: string): Promise<string> {
    const claim = this.#deadLetters.claim(id);
    const { name, version, args, timeoutMs, tid, webhook } = claim.accepted;
    const request = { name, version, args, timeoutMs, tid, webhook, idempotency: null, replayOf: id };
    let replayed = false;
    try {
      const again = await this.#invocations.accept(request, claim);
      replayed = true;
      return again;
    } finally {
      claim.done(replayed);
    }
  }

  /** A worker that keeps nothing has no timer. */
  #armSweep(): void {
    this.#sweep ??= setTimeout(() => {
      this.#sweep = null;
      this.#expire();
      const kept = this.#results.count + this.#keys.count + this.#deadLetters.count + this.#schedules.count;
      if (kept + this.#invocations.unfinished > 0) this.#armSweep();
    }, SWEEP_MS).unref();
  }

  #expire(): void {
    const now = this.#now();
    this.#results.expire(now);
    this.#keys.expire();
    this.#deadLetters.expire(now);
  }
}

const SWEEP_MS = 10_000;
