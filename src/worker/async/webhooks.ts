import { setMaxListeners } from 'node:events';
import type { AsyncInvocation } from '../../config/api.js';
import type { AsyncConfig } from '../../config/sections/async.js';
import { pauseAfter } from '../../core/creation/back-off.js';
import type { Store, Table } from '../../store/store.js';
import type { Log } from '../../telemetry/logs/log.js';
import { STABLE_MESSAGES } from '../../telemetry/logs/messages.js';
import type { TraceHeaders } from '../../telemetry/tracing/trace-context.js';
import { type Alarm, Alarms } from './alarms.js';
import type { WebhookRecord } from './records.js';
import { type DeliveryFault, postWebhook, webhookHeaders } from './webhook-request.js';
import type { Writer } from './writer.js';

interface Delivery extends Alarm {
  record: WebhookRecord;
}

export interface WebhooksOptions {
  store: Store;
  writer: Writer;
  settings: AsyncConfig['webhooks'];
  /** What is delivered; null = it is not there any more. */
  document(id: string): AsyncInvocation | null;
  /** It need not be kept for its webhook any longer. */
  settled(id: string): void;
  now(): number;
  random(): number;
  log: Log;
}

/**
 * Completion webhooks: stored with the end of their invocation, posted, and tried again until the receiver has them or the attempts are used up. At least once: after a
 * crash one may come again, with the same `webhook-id`.
 */
export class Webhooks {
  readonly #options: WebhooksOptions;
  readonly #table: Table<WebhookRecord>;
  readonly #pauses: Alarms<Delivery>;
  /** Due, waiting for one of the others to be through. */
  readonly #ready: Delivery[] = [];
  readonly #open = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  readonly counters = { delivered: 0, failed: 0 };
  #waiting = 0;
  #started = false;

  constructor(options: WebhooksOptions) {
    this.#options = options;
    this.#table = options.store.table<WebhookRecord>('webhooks');
    this.#pauses = new Alarms(options.now, (delivery) => this.#due(delivery));
    setMaxListeners(0, this.#stop.signal);
  }

  /** Not delivered yet. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Ids whose results are needed. What an earlier life of the worker has left is delivered after `start`. */
  load(): string[] {
    const records = [...this.#table.entries()].map(([, record]) => record);
    for (const record of records) this.add(record);
    return records.map(({ id }) => id);
  }

  start(): void {
    this.#started = true;
    this.#pump();
  }

  make(id: string, url: string, tid: string, trace: TraceHeaders | null): WebhookRecord {
    return { id, url, failures: 0, dueAt: 0, tid, trace };
  }

  /** To be called where the store takes changes. */
  put(record: WebhookRecord): void {
    this.#table.put(record.id, record);
  }

  /** It is on the disk. */
  add(record: WebhookRecord): void {
    this.#waiting++;
    this.#pauses.set({ record, priority: 0, order: 0, heapIndex: -1 }, record.dueAt);
  }

  /** What is under way is cut off, and delivered in the next life. */
  async close(): Promise<void> {
    this.#pauses.stop();
    this.#stop.abort(new Error('the worker ends'));
    await Promise.all(this.#open);
  }

  #due(delivery: Delivery): void {
    this.#ready.push(delivery);
    this.#pump();
  }

  #pump(): void {
    const { concurrency } = this.#options.settings;
    while (this.#started && this.#ready.length > 0 && this.#open.size < concurrency && !this.#stop.signal.aborted) {
      const delivering = this.#deliver(this.#ready.shift() as Delivery);
      this.#open.add(delivering);
      void delivering.then(() => {
        this.#open.delete(delivering);
        this.#pump();
      });
    }
  }

  async #deliver(delivery: Delivery): Promise<void> {
    const { record } = delivery;
    const { id } = record;
    const { document, log } = this.#options;
    const content = document(id);
    if (content === null) {
      log.warn({ tid: record.tid, id }, 'the result of a webhook is gone; it is given up');
      this.#end(delivery, 'failed');
      return;
    }
    const fault = await this.#post(record, JSON.stringify(content));
    if (fault === null) this.#end(delivery, 'delivered');
    else if (!this.#stop.signal.aborted) this.#failed(delivery, fault);
  }

  async #post({ id, url, trace = null }: WebhookRecord, body: string): Promise<DeliveryFault> {
    const { settings, now } = this.#options;
    const headers = webhookHeaders(id, Math.floor(now() / 1000), body, settings.secret, trace);
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(settings.timeoutMs)]);
    return await postWebhook(url, headers, body, signal);
  }

  #failed(delivery: Delivery, { message, lasting }: NonNullable<DeliveryFault>): void {
    const { settings, now, random, log, writer } = this.#options;
    const { id, url, failures, tid } = delivery.record;
    const attempts = failures + 1;
    if (lasting || attempts >= settings.attempts) {
      log.warn({ tid, id, url, attempts, reason: message }, STABLE_MESSAGES.webhookGivenUp);
      this.#end(delivery, 'failed');
      return;
    }
    const pause = pauseAfter(failures, settings.backOffMs, settings.maxBackOffMs, JITTER, random);
    delivery.record = { ...delivery.record, failures: attempts, dueAt: now() + Math.round(pause) };
    writer.note(() => this.#table.put(id, delivery.record));
    this.#pauses.set(delivery, delivery.record.dueAt);
  }

  #end({ record: { id } }: Delivery, how: 'delivered' | 'failed'): void {
    this.counters[how]++;
    this.#waiting--;
    this.#options.writer.note(() => this.#table.remove(id));
    this.#options.settled(id);
  }
}

const JITTER = 0.5;
