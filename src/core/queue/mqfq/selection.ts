import type { Flow } from './flow.js';
import type { FlowTable } from './flow-table.js';

/** What a selection may look at. Something is queued. */
export interface Choosable {
  readonly table: FlowTable;
  /** Whose invocation was started last. */
  readonly lastServed: Flow | null;
  /** In [0, 1), the same until something changes. */
  readonly draw: () => number;
}

/** The flow to be served, of those that are backlogged and not throttled. Equal ones: the one first seen, so that the answer is always the same. */
export type Selection = (of: Choosable, device: number) => Flow;

/** Less than 0: a goes before b. */
type Order = (a: Flow, b: Flow) => number;

const byOrder: Order = (a, b) => a.order - b.order;
const byStart: Order = (a, b) => a.startTag - b.startTag;
const byLatestFinish: Order = (a, b) => b.finishTag - a.finishTag;
const byLength: Order = (a, b) => b.length - a.length;
const byInFlight: Order = (a, b) => a.inFlight - b.inFlight;

/** The flow with the least start tag, which is never throttled. */
function leastStart({ table }: Choosable): Flow {
  return table.first as Flow;
}

/** Least start tag, but flows with an idle warm container on the device come before all others. O(f) unless the very first has one. */
export const warmFirst: Selection = (of, device) => {
  const first = leastStart(of);
  if (first.fn.warmOn(device)) return first;
  const warm = of.table.eligible().filter(({ fn }) => fn.warmOn(device));
  return warm.length === 0 ? first : best(warm, byStart);
};

/** The flow that was served last as long as that may go on, else the least start tag: containers stay warm and data stays on the device. O(1). */
export const sticky: Selection = (of) => {
  const { table, lastServed } = of;
  if (lastServed !== null && lastServed.length > 0 && table.stateOf(lastServed) === 'active') return lastServed;
  return leastStart(of);
};

/** Most invocations queued. O(f). */
export const longest: Selection = ({ table }) => best(table.eligible(), byLength);

/** Largest F − S: most work queued. O(f). */
export const mostPending: Selection = ({ table }) => best(table.eligible(), (a, b) => b.pending - a.pending);

/** Largest F. O(f). */
export const latestFinish: Selection = ({ table }) => best(table.eligible(), byLatestFinish);

/** O(f log f), as everything below. */
export const anyFlow: Selection = ({ table, draw }) => drawn(table.eligible().sort(byOrder), draw);

/** Of the `selectCount` flows with the largest F: any. */
export const topAny: Selection = ({ table, draw }) => drawn(top(table), draw);

/** Of these: the fewest in flight. */
export const topInFlight: Selection = ({ table }) => best(top(table), byInFlight);

/** Of these: the longest not served. */
export const topService: Selection = ({ table }) => best(top(table), (a, b) => a.lastServiced - b.lastServiced);

/** Of these: the most queued. */
export const topLength: Selection = ({ table }) => best(top(table), byLength);

/** Of these: the most queued, of equal ones the fewest in flight. */
export const topLengthInFlight: Selection = ({ table }) =>
  best(top(table), (a, b) => byLength(a, b) || byInFlight(a, b));

function top(table: FlowTable): Flow[] {
  const flows = table.eligible().sort((a, b) => byLatestFinish(a, b) || byOrder(a, b));
  return flows.slice(0, table.selectCount());
}

function best(flows: readonly Flow[], order: Order): Flow {
  return flows.reduce((found, flow) => ((order(flow, found) || byOrder(flow, found)) < 0 ? flow : found));
}

function drawn(flows: readonly Flow[], draw: () => number): Flow {
  return flows[Math.floor(draw() * flows.length)] as Flow;
}
