import { blankRow, type LoadRow } from '../results/load-row.js';
import type { OpenCall } from './drivers/calls.js';
import type { LoadAnswer } from './target.js';

/** Results of functions that say themselves how long they took begin so. */
const SAYS_OF_ITSELF = /^\s*\{\s*"body"/;

/** Makes rows of calls and their answers, in one object that is filled again and again. */
export class RowMaker {
  readonly #keys: readonly string[];
  readonly #blank: LoadRow;
  readonly #row: LoadRow;

  /** `keys`: `name@version` of each function, by its number. */
  constructor(keys: readonly string[], clients: number) {
    this.#keys = keys;
    this.#blank = { ...blankRow(), clients };
    this.#row = { ...this.#blank };
  }

  of(call: OpenCall, answer: LoadAnswer, endUs: number): LoadRow {
    const row = this.#begin(call, endUs);
    row.tid = answer.tid;
    row.queueUs = answer.queueUs;
    row.createUs = answer.createUs;
    row.runUs = answer.runUs;
    row.startUs = answer.runUs < 0 || answer.state === null ? -1 : Math.max(call.sentUs, endUs - answer.runUs);
    row.device = answer.device;
    row.state = answer.state ?? '';
    row.attempts = answer.attempts;
    row.outcome = answer.outcome;
    row.worker = answer.worker;
    row.backend = answer.backend;
    row.error = answer.error;
    if (answer.result !== null && SAYS_OF_ITSELF.test(answer.result)) readBody(row, answer.result);
    return row;
  }

  /** Of a call that has no answer. */
  without(call: OpenCall, endUs: number, why: string): LoadRow {
    const row = this.#begin(call, endUs);
    row.outcome = 'cancelled';
    row.error = why;
    return row;
  }

  #begin({ fn, arrivalUs, sentUs, client }: OpenCall, endUs: number): LoadRow {
    const row = this.#row;
    Object.assign(row, this.#blank);
    row.fn = this.#keys[fn] as string;
    row.arrivalUs = arrivalUs;
    row.sentUs = sentUs;
    row.endUs = Math.max(arrivalUs, endUs);
    row.client = client;
    return row;
  }
}

function readBody(row: LoadRow, result: string): void {
  try {
    const { body } = JSON.parse(result) as { body?: { latency?: unknown; cold?: unknown } | null };
    const { latency, cold } = body ?? {};
    if (typeof latency === 'number' && latency >= 0) row.codeUs = Math.round(latency * 1e6);
    if (typeof cold === 'boolean') row.codeCold = cold ? 1 : 0;
  } catch {
    // It says nothing of itself that can be read; the row says so.
  }
}
