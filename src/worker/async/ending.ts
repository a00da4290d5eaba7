import type { AsyncFailure, InvokeResult } from '../../config/api.js';
import type { DeadLetters } from './dead-letters.js';
import { type Entry, tidOf } from './entry.js';
import type { IdempotencyKeys } from './idempotency.js';
import type { Step } from './invocation-state.js';
import type { AcceptedRecord, ResultRecord } from './records.js';
import type { Results } from './results.js';
import type { Webhooks } from './webhooks.js';
import type { Writer } from './writer.js';

/** What the last attempt has left. */
export interface Outcome {
  readonly error: AsyncFailure | null;
  readonly about: Omit<InvokeResult, 'result'> | null;
  readonly body: Uint8Array;
}

export type FinalStep = Exclude<Step, { to: 'retrying' }>;

export interface EndingOptions {
  writer: Writer;
  results: Results;
  deadLetters: DeadLetters;
  webhooks: Webhooks;
  keys: IdempotencyKeys;
  keepMs: number;
  now(): number;
}

/**
 * The end of an invocation: result, dead letter and webhook are stored, and the invocation is removed, all at once; only then anybody is told. So a result that has
 * been shown is never produced again, and there is no moment at which a crash finds two ends or none.
 */
export class Ending {
  readonly #options: EndingOptions;
  readonly counters = { done: 0, failed: 0, dead: 0 };

  constructor(options: EndingOptions) {
    this.#options = options;
  }

  /** `accepted` is read when it dies. `forget` removes the invocation from the store. False when the worker ended before the end was stored. */
  async finish(
    entry: Entry,
    step: FinalStep,
    outcome: Outcome,
    accepted: () => AcceptedRecord | undefined,
    forget: () => void,
  ): Promise<boolean> {
    const { writer, results, deadLetters, webhooks, keys } = this.#options;
    const record = this.#record(entry, step, outcome);
    const { webhook, idempotency, trace = null } = entry.accepted;
    const letter = step.to === 'dead' ? deadLetters.make(accepted(), record) : null;
    const delivery = webhook === null ? null : webhooks.make(entry.id, webhook, tidOf(entry.accepted), trace);
    const stored = await writer.write(() => {
      forget();
      results.put(record);
      if (letter !== null) deadLetters.put(letter);
      if (delivery !== null) webhooks.put(delivery);
    });
    if (!stored) return false;
    this.counters[step.to]++;
    results.show(record, delivery !== null);
    if (idempotency !== null) keys.ended(idempotency);
    if (letter !== null) deadLetters.show(letter);
    if (delivery !== null) webhooks.add(delivery);
    return true;
  }

  #record(entry: Entry, step: FinalStep, { error, about, body }: Outcome): ResultRecord {
    const { now, keepMs, keys } = this.#options;
    const { id, name, version, acceptedAt, idempotency } = entry.accepted;
    const finishedAt = now();
    // Whoever comes again with its key is given this id, and should find something there.
    const remembered = idempotency === null ? 0 : keys.expiry(idempotency);
    const expiresAt = Math.max(finishedAt + keepMs, remembered);
    return {
      id,
      name,
      version,
      status: step.to,
      attempts: step.attempts,
      acceptedAt,
      finishedAt,
      expiresAt,
      error,
      about,
      body,
    };
  }
}
