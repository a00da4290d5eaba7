import { randomUUID } from 'node:crypto';
import type { AsyncInvocation, InvokeResult } from '../config/api.js';
import { IluvatarError } from '../core/errors.js';
import type { Gateway, GatewayResult, GatewaySink } from '../server/gateway.js';

/**
 * Asynchronous invocations of this worker's life: accepted, looked up by id as often as wanted, forgotten after a configured time. Bounded in number;
 * held in memory only, so they do not survive the worker.
 */

export interface AsyncResultsLimits {
  keepMs: number;
  max: number;
}

export interface AsyncResultsOptions extends Payloads, AsyncResultsLimits {
  /** Wall clock, ms. */
  now(): number;
}

/** Where payload tokens are read and given up: the transport, or a gateway on it. */
export type Payloads = Pick<Gateway, 'body' | 'drop'>;

interface Entry {
  readonly view: AsyncInvocation;
  finishedAt: number;
  waiters: (() => void)[];
}

export class AsyncResults {
  readonly #options: AsyncResultsOptions;
  #limits: AsyncResultsLimits;
  /** In the order of acceptance. */
  readonly #entries = new Map<string, Entry>();
  /** Finished ones in the order they finished: the front expires first. */
  readonly #finished: string[] = [];
  #finishedFrom = 0;

  constructor(options: AsyncResultsOptions) {
    this.#options = options;
    this.#limits = options;
  }

  /** Other limits from now on, for what is kept already too. */
  configure(limits: AsyncResultsLimits): void {
    this.#limits = limits;
    this.expire();
  }

  /** Makes room, then an entry; its sink is to be given to the invocation. Throws `overloaded` when all kept ones are unfinished. */
  accept(): { id: string; sink: GatewaySink } {
    this.expire();
    if (this.#entries.size >= this.#limits.max && !this.#forgetOldest()) {
      throw new IluvatarError('overloaded', `${this.#limits.max} asynchronous invocations are unfinished`, {
        retryAfterMs: 1000,
      });
    }
    const id = randomUUID();
    const entry: Entry = { view: { id, status: 'queued', result: null, error: null }, finishedAt: 0, waiters: [] };
    this.#entries.set(id, entry);
    return { id, sink: { settled: (result) => this.#settle(entry, result) } };
  }

  /** The invocation as it is, or as it is once it has ended within `waitMs`. Throws `not_found`. */
  async lookUp(id: string, waitMs: number): Promise<AsyncInvocation> {
    this.expire();
    const entry = this.#entries.get(id);
    if (entry === undefined)
      throw new IluvatarError('not_found', `no asynchronous invocation "${id}" (unknown or expired)`);
    if (entry.view.status === 'queued' && waitMs > 0) await ended(entry, waitMs);
    return entry.view;
  }

  expire(): void {
    const limit = this.#options.now() - this.#limits.keepMs;
    while (this.#finishedFrom < this.#finished.length) {
      const id = this.#finished[this.#finishedFrom] as string;
      const entry = this.#entries.get(id);
      if (entry !== undefined && entry.finishedAt > limit) break;
      this.#entries.delete(id);
      this.#finishedFrom++;
    }
    if (this.#finishedFrom > 1024) {
      this.#finished.splice(0, this.#finishedFrom);
      this.#finishedFrom = 0;
    }
  }

  #forgetOldest(): boolean {
    const id = this.#finished[this.#finishedFrom];
    if (id === undefined) return false;
    this.#finishedFrom++;
    this.#entries.delete(id);
    return true;
  }

  #settle(entry: Entry, result: GatewayResult): void {
    const { view } = entry;
    const text = takeText(result.payload, this.#options);
    if (result.errorClass === null) {
      view.status = 'done';
      view.result = toInvokeResult(result, text);
    } else {
      view.status = 'failed';
      view.error = {
        errorClass: result.errorClass,
        message: result.message ?? result.errorClass,
        details: result.details,
      };
    }
    entry.finishedAt = this.#options.now();
    this.#finished.push(view.id);
    for (const wake of entry.waiters) wake();
    entry.waiters = [];
  }
}

function ended(entry: Entry, waitMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, waitMs);
    entry.waiters.push(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** A result's JSON text, '' for none. A token is used up. */
export function takeText(payload: number | Uint8Array | null, payloads: Payloads): string {
  if (payload === null || payload === 0) return '';
  if (typeof payload !== 'number')
    return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8');
  const text = payloads.body(payload).toString('utf8');
  payloads.drop(payload);
  return text;
}

/** The public shape of a success. `text` is the function's result as JSON; '' reads as null. */
export function toInvokeResult(result: GatewayResult, text: string): InvokeResult {
  return {
    result: text === '' ? null : JSON.parse(text),
    tid: result.tid,
    containerState: result.state ?? 'warm',
    phases: { queueUs: result.queueUs, startUs: result.startUs, runUs: result.runUs, throttledUs: result.throttledUs },
    attempts: result.attempts,
    stdout: result.details?.stdout ?? '',
    stderr: result.details?.stderr ?? '',
  };
}
