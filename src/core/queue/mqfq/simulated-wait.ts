import type { FunctionRecord } from '../../function-record.js';
import type { FlowTable } from './flow-table.js';

interface ModelFlow {
  start: number;
  readonly finish: number;
  /** Charge of each of its invocations, taken to be alike. */
  readonly step: number;
  length: number;
  readonly inFlight: number;
  readonly order: number;
}

/** A long queue is not played to its end: after so many starts the order hardly matters any more, only who is owed how much. */
const MAX_STARTS = 256;

/**
 * The estimate V3: one more invocation is put into a copy of the flows, and they are served until it would start; the sum of the charges before it, virtual
 * µs, of one device. Each time, of the flows that are not throttled the `selectCount` with the least finish tags are looked at; of these the one with the
 * fewest invocations in flight is served, and of equal ones the longest.
 *
 * What comes after `MAX_STARTS` is taken as the fluid limit: before the newcomer starts, every flow is served up to the newcomer's start tag. O(f log f).
 */
export function simulatedWait(table: FlowTable, fn: FunctionRecord): number {
  const { flows, own } = modelOf(table, fn);
  const count = table.selectCount();
  let waitUs = 0;
  for (let starts = 0; starts < MAX_STARTS; starts++) {
    const next = chooseFrom(flows, count, table.settings.allowedOverrunUs) ?? own;
    if (next === own && own.length === 1) return waitUs;
    next.start += next.step;
    next.length--;
    waitUs += next.step;
  }
  const until = own.start + own.step * (own.length - 1);
  for (const { start, step, length } of flows) waitUs += Math.min(Math.max(until - start, 0), step * length);
  return waitUs;
}

/** By finish tag. */
function modelOf(table: FlowTable, fn: FunctionRecord): { flows: ModelFlow[]; own: ModelFlow } {
  const flows: ModelFlow[] = [];
  const mine = table.find(fn);
  for (const flow of table.backlogged) {
    if (flow === mine) continue;
    const { startTag: start, finishTag: finish, pending, length, inFlight, order } = flow;
    flows.push({ start, finish, step: pending / length, length, inFlight, order });
  }
  const queued = mine === null ? 0 : mine.length;
  const start = Math.max(mine === null ? 0 : mine.startTag, table.virtualTime);
  const pending = (mine === null ? 0 : mine.pending) + table.chargeOf(fn);
  const own = {
    start,
    finish: start + pending,
    step: pending / (queued + 1),
    length: queued + 1,
    inFlight: mine === null ? 0 : mine.inFlight,
    order: mine === null ? Number.POSITIVE_INFINITY : mine.order,
  };
  flows.push(own);
  flows.sort((a, b) => a.finish - b.finish || a.order - b.order);
  return { flows, own };
}

function chooseFrom(flows: readonly ModelFlow[], count: number, allowedOverrunUs: number): ModelFlow | null {
  let virtualTime = Number.POSITIVE_INFINITY;
  for (const flow of flows) if (flow.length > 0 && flow.start < virtualTime) virtualTime = flow.start;
  let best: ModelFlow | null = null;
  let seen = 0;
  for (const flow of flows) {
    if (flow.length === 0 || flow.start - virtualTime > allowedOverrunUs) continue;
    if (
      best === null ||
      flow.inFlight < best.inFlight ||
      (flow.inFlight === best.inFlight && flow.length > best.length)
    ) {
      best = flow;
    }
    if (++seen >= count) break;
  }
  return best;
}
