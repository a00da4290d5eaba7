import { type LoadOutcome, type LoadPlan, runLoad } from '../../src/load/run-load.js';
import type { LoadAnswer, LoadCall, LoadTarget } from '../../src/load/target.js';
import { failureOf } from '../../src/load/targets/answers.js';
import type { Work } from '../../src/load/work.js';
import type { LoadRow } from '../../src/results/load-row.js';
import type { RowSink } from '../../src/tables/sink.js';

/** A target that answers as the test says. */
export class FakeTarget implements LoadTarget {
  readonly address = 'fake';
  readonly calls: LoadCall[] = [];
  readonly #answer: (number: number, call: LoadCall) => Promise<LoadAnswer> | LoadAnswer;

  constructor(answer: (number: number, call: LoadCall) => Promise<LoadAnswer> | LoadAnswer = () => OK) {
    this.#answer = answer;
  }

  async invoke(call: LoadCall): Promise<LoadAnswer> {
    this.calls.push(call);
    return await this.#answer(this.calls.length, call);
  }

  async register(): Promise<void> {}
  async prewarm(): Promise<void> {}
  async clean(): Promise<number> {
    return 0;
  }
  async close(): Promise<void> {}
}

export const OK: LoadAnswer = {
  ...failureOf('internal', '', 'tid'),
  outcome: 'ok',
  result: '{"body":{"cold":true,"latency":0.002}}',
  state: 'cold',
  queueUs: 1,
  createUs: 2,
  runUs: 3,
  attempts: 1,
};

/** Keeps copies of rows. */
export class KeptRows implements RowSink<LoadRow> {
  readonly rows: LoadRow[] = [];
  ended = 0;

  row(row: Readonly<LoadRow>): void {
    this.rows.push({ ...row });
  }
  backlog(): null {
    return null;
  }
  async end(): Promise<void> {
    this.ended++;
  }
}

export const FUNCTION = { name: 'f', version: '1', args: '{}', timeoutMs: 0 };

/** `count` arrivals every `gapUs`. */
export function openWork(count: number, gapUs: number, more: Partial<Extract<Work, { kind: 'open' }>> = {}): Work {
  const perSecond = 1e6 / gapUs;
  return {
    kind: 'open',
    arrivals: { from: 'process', rate: { shape: 'constant', perSecond }, spacing: 'constant', seed: 1 },
    untilUs: Number.POSITIVE_INFINITY,
    count,
    maxInFlight: 1000,
    overLimit: 'wait',
    ...more,
  };
}

export function closedWork(clients: number, more: Partial<Extract<Work, { kind: 'closed' }>> = {}): Work {
  return {
    kind: 'closed',
    clients,
    thinkUs: 0,
    thinking: 'constant',
    rampUs: 0,
    untilUs: Number.POSITIVE_INFINITY,
    count: Number.POSITIVE_INFINITY,
    seed: 1,
    ...more,
  };
}

export async function load(
  target: LoadTarget,
  work: Work,
  more: Partial<LoadPlan> = {},
): Promise<LoadOutcome & { rows: LoadRow[] }> {
  const kept = new KeptRows();
  const outcome = await runLoad({ work, functions: [FUNCTION], target, rows: kept, ...more });
  return { ...outcome, rows: kept.rows };
}
