import type { FunctionRecord } from '../../function-record.js';
import type { LinearRegression } from '../../regression.js';
import type { Flow } from './flow.js';
import type { FlowTable } from './flow-table.js';
import { simulatedWait } from './simulated-wait.js';

/** What an estimate may be made from. */
export interface Known {
  readonly table: FlowTable;
  /** Of the function; null = it has never been seen. */
  readonly flow: Flow | null;
  readonly fn: FunctionRecord;
  /** End-to-end time on load, of all functions. */
  readonly regression: LinearRegression;
}

export interface Estimation {
  /** Whether it needs what the ends of invocations teach. */
  readonly learns: boolean;
  /** µs; may be negative. */
  readonly waitUs: (known: Known) => number;
}

/**
 * How long one more invocation would wait, from leaving nothing out (V1) to a model of what the scheduler will do (V3). F − S is the charge of what a flow
 * has queued, d what all devices run at once. The regressions predict the whole time to the end, so that the invocation's own execution is taken off again:
 * what is asked for here is the wait alone.
 */
export const estimations = {
  /** Σ (F − S) / d: everything queued goes first. O(1). */
  V1: plain(({ table }) => table.pendingUs / table.parallelism),
  /**
   * Its own flow's F − S if that is active, and that of all active flows besides if it is throttled; nothing if it is inactive. O(f) when throttled, else
   * O(1).
   */
  V2: plain(({ table, flow }) => {
    if (flow === null || !flow.active) return 0;
    let sum = flow.pending;
    if (table.stateOf(flow) === 'throttled') {
      for (const other of table.backlogged) if (table.stateOf(other) === 'active') sum += other.pending;
    }
    return sum / table.parallelism;
  }),
  V3: plain(({ table, fn }) => simulatedWait(table, fn) / table.parallelism),
  LinReg: learning(({ table, fn, regression }) => beforeRun(fn, regression.predict(loadOf(table)))),
  PerFuncLinReg: learning(({ table, fn, flow }) => beforeRun(fn, own(flow, table))),
  /** Its own as soon as it has one, that of all functions until then. */
  FallbackLinReg: learning(({ table, fn, flow, regression }) =>
    beforeRun(fn, own(flow, table) ?? regression.predict(loadOf(table))),
  ),
  /** A line that is given and not learnt: twice the load. */
  GlobalLinReg: plain(({ table }) => 2 * loadOf(table)),
} as const satisfies Record<string, Estimation>;

/** Queued and running; µs. */
export function loadOf(table: FlowTable): number {
  return table.pendingUs + table.runningUs;
}

function own(flow: Flow | null, table: FlowTable): number | null {
  return flow === null ? null : flow.regression.predict(loadOf(table));
}

function beforeRun(fn: FunctionRecord, endToEndUs: number | null): number {
  return endToEndUs === null ? 0 : endToEndUs - fn.stats.gpu.exec.average;
}

function plain(waitUs: Estimation['waitUs']): Estimation {
  return { learns: false, waitUs };
}

function learning(waitUs: Estimation['waitUs']): Estimation {
  return { learns: true, waitUs };
}
