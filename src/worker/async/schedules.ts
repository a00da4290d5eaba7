import type { Schedule } from '../../config/api.js';
import type { AsyncConfig } from '../../config/sections/async.js';
import { IluvatarError } from '../../core/errors.js';
import type { Store, Table } from '../../store/store.js';
import type { Log } from '../../telemetry/logs/log.js';
import type { AcceptRequest, Alongside } from './acceptances.js';
import { type Alarm, Alarms } from './alarms.js';
import { idempotencyKey } from './idempotency.js';
import type { ScheduleRecord } from './records.js';
import { checkTimes, lastTime, nextTime } from './schedule-times.js';
import type { Writer } from './writer.js';

interface Entry extends Alarm {
  record: ScheduleRecord;
  /** The time to be fired; null = never again. */
  nextAt: number | null;
}

export interface SchedulesOptions {
  store: Store;
  writer: Writer;
  settings: AsyncConfig['schedules'];
  accept(request: AcceptRequest, alongside: Alongside): Promise<string>;
  now(): number;
  log: Log;
}

export interface NewSchedule extends Omit<ScheduleRecord, 'createdAt' | 'lastAt' | 'lastId' | 'missed'> {
  readonly missed: 'run' | 'skip' | null;
}

/**
 * Invocations that are due at times. Each firing is accepted as an asynchronous invocation and noted in the schedule in one step of the store, under an idempotency key made of
 * the schedule and the time, so that it happens at most once however often the worker starts.
 */
export class Schedules {
  readonly #options: SchedulesOptions;
  readonly #table: Table<ScheduleRecord>;
  readonly #entries = new Map<string, Entry>();
  readonly #alarms: Alarms<Entry>;

  constructor(options: SchedulesOptions) {
    this.#options = options;
    this.#table = options.store.table<ScheduleRecord>('schedules');
    this.#alarms = new Alarms(options.now, (entry) => void this.#fire(entry));
  }

  get count(): number {
    return this.#entries.size;
  }

  load(): void {
    for (const [, record] of this.#table.entries()) {
      this.#entries.set(record.id, { record, nextAt: null, priority: 0, order: 0, heapIndex: -1 });
    }
  }

  /** Runs or leaves out what fell due while no worker ran, and goes on from there. */
  start(): void {
    const now = this.#options.now();
    for (const entry of this.#entries.values()) {
      const { record } = entry;
      const missed = lastTime(record, record.lastAt ?? record.createdAt, now);
      if (missed !== null && record.missed === 'run') this.#arm(entry, missed);
      else if (missed !== null && record.cron === null) this.#forget(record.id);
      else this.#arm(entry, nextTime(record, now));
    }
  }

  stop(): void {
    this.#alarms.stop();
  }

  /** Resolves once it is on the disk. Rejects with `conflict` for a name that is taken, `invalid`, `overloaded`, or the store's error. */
  async add({ missed, ...given }: NewSchedule): Promise<Schedule> {
    const { now, settings, store } = this.#options;
    const { id } = given;
    checkTimes(given, now());
    if (this.#entries.has(id)) throw new IluvatarError('conflict', `there is a schedule "${id}"; remove it first`);
    if (this.#entries.size >= settings.max)
      throw new IluvatarError('overloaded', `there are ${settings.max} schedules`);
    // A time that has passed already is due at once, which is what "not before" says.
    const createdAt = given.at === null ? now() : Math.min(now(), given.at - 1);
    const record = { ...given, missed: missed ?? settings.missed, createdAt, lastAt: null, lastId: null };
    const entry: Entry = { record, nextAt: null, priority: 0, order: 0, heapIndex: -1 };
    this.#entries.set(id, entry);
    try {
      store.atomically(() => this.#table.put(id, record));
      await store.durable();
    } catch (error) {
      this.#forget(id);
      throw error;
    }
    this.#arm(entry, nextTime(record, createdAt));
    return describe(entry);
  }

  list(): Schedule[] {
    return [...this.#entries.values()].map(describe).sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Resolves once it is gone from the disk. Rejects with `not_found`, or the store's error. What it has fired goes on. */
  async remove(id: string): Promise<void> {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new IluvatarError('not_found', `no schedule "${id}"`);
    this.#forget(id);
    await this.#options.store.durable();
  }

  #arm(entry: Entry, at: number | null): void {
    entry.nextAt = at;
    if (at !== null) this.#alarms.set(entry, at);
  }

  #forget(id: string): void {
    const entry = this.#entries.get(id);
    this.#entries.delete(id);
    if (entry !== undefined) this.#alarms.cancel(entry);
    this.#options.writer.note(() => this.#table.remove(id));
  }

  async #fire(entry: Entry): Promise<void> {
    const { accept, now, log } = this.#options;
    const { record } = entry;
    const { id, name, version, timeoutMs, webhook, args, createdAt } = record;
    const at = entry.nextAt as number;
    const idempotency = idempotencyKey('schedule', name, version, `${id}/${createdAt}/${new Date(at).toISOString()}`);
    let noted = false;
    const apply = (lastId: string): void => {
      noted = true;
      entry.record = { ...record, lastAt: at, lastId };
      // Removed meanwhile: this firing is the last.
      if (this.#entries.get(id) !== entry) return;
      if (record.cron === null) this.#table.remove(id);
      else this.#table.put(id, entry.record);
    };
    const undo = (): void => {
      entry.record = record;
      if (this.#entries.get(id) === entry) this.#table.put(id, record);
    };
    try {
      const request = { name, version, args, timeoutMs, tid: '', webhook, idempotency, replayOf: null };
      const accepted = await accept(request, { apply, undo });
      // Fired before: the invocation is there, and the schedule does not know of it.
      if (!noted) this.#options.writer.note(() => apply(accepted));
    } catch (error) {
      log.warn({ err: error, schedule: id }, 'a schedule is due and cannot be run now; it is tried again');
      if (this.#entries.get(id) === entry) this.#alarms.set(entry, now() + AGAIN_MS);
      return;
    }
    if (this.#entries.get(id) !== entry) return;
    if (record.cron === null) this.#entries.delete(id);
    else this.#arm(entry, nextTime(record, Math.max(at, now())));
  }
}

const AGAIN_MS = 1000;

function describe({ record, nextAt }: Entry): Schedule {
  const { id, name, version, cron, timezone, at, missed, lastAt, lastId } = record;
  return { id, name, version, cron, timezone, at, missed, nextAt, lastAt, lastId };
}
