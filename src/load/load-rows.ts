import type { LoadRow } from '../results/load-row.js';
import type { OpenCall } from './drivers/calls.js';
import type { LoadAnswer } from './target.js';

/** Results of functions that say themselves how long they took begin so. */
const SAYS_OF_ITSELF = /^\s*\{\s*"body"/;

/** Makes rows of calls and their answers, in one object that is filled again and again. */
export class RowMaker {
  readonly #keys: readonly string[];
  readonly #row: LoadRow;

  /** `keys`: `name@version` of each function, by its number. */
  constructor(keys: readonly string[], clients: number) {
    this.#keys = keys;
    this.#row = emptyRow(clients);
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
    Object.assign(row, BLANK);
    row.fn = this.#keys[fn] as string;
    row.arrivalUs = arrivalUs;
    row.sentUs = sentUs;
    row.endUs = Math.max(arrivalUs, endUs);
    row.client = client;
    return row;
  }
}

/** What is nothing until somebody says it. */
const BLANK = {
  tid: '',
  queueUs: -1,
  startUs: -1,
  device: '',
  container: 0,
  state: '',
  attempts: 0,
  createUs: -1,
  runUs: -1,
  codeUs: -1,
  codeCold: -1,
  worker: '',
  backend: '',
  error: '',
};

function emptyRow(clients: number): LoadRow {
  return { ...BLANK, fn: '', arrivalUs: 0, endUs: 0, outcome: '', sentUs: -1, client: -1, clients };
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
