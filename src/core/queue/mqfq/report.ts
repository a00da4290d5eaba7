import type { FlowState, FlowTable } from './flow-table.js';

/** Of one flow. Virtual times have the unit of the charges: µs for a weight of 1. */
export interface FlowReport {
  readonly function: string;
  readonly state: FlowState;
  readonly startUs: number;
  readonly finishUs: number;
  readonly inFlight: number;
  /** In flight × average execution time. */
  readonly runningUs: number;
  /** F − S. */
  readonly pendingUs: number;
  readonly queued: number;
  /** Mean of the active periods that have ended. */
  readonly averageActiveUs: number;
  /** Begun, the present one included. */
  readonly activePeriods: number;
}

export interface MqfqReport {
  readonly virtualTimeUs: number;
  readonly flows: readonly FlowReport[];
  readonly activeFlows: number;
  readonly runningUs: number;
  readonly pendingUs: number;
}

export function flowReport(table: FlowTable): MqfqReport {
  const flows = Array.from(
    table.flows,
    (flow): FlowReport => ({
      function: flow.fn.key,
      state: table.stateOf(flow),
      startUs: flow.startTag,
      finishUs: flow.finishTag,
      inFlight: flow.inFlight,
      runningUs: flow.runningUs,
      pendingUs: flow.pending,
      queued: flow.length,
      averageActiveUs: flow.averageActiveUs,
      activePeriods: flow.endedPeriods + (flow.active ? 1 : 0),
    }),
  );
  return {
    virtualTimeUs: table.virtualTime,
    flows,
    activeFlows: table.activeFlows(),
    runningUs: table.runningUs,
    pendingUs: table.pendingUs,
  };
}
