import type { FunctionRecord } from '../../function-record.js';
import { numberOf, type PolicyEntry, type PolicyParameter } from '../../policy.js';
import type { Container } from '../container.js';
import type { EvictionPolicy } from './eviction-policy.js';
import { ExpiryNode, ExpiryQueue } from './expiry-queue.js';
import { FunctionIdleness } from './function-idleness.js';
import { IdleFunctions } from './idle-functions.js';

class HistogramNode extends ExpiryNode {
  readonly idleness: FunctionIdleness;
  running = false;
  hasRun = false;

  constructor(container: Container, idleness: FunctionIdleness) {
    super(container);
    this.idleness = idleness;
  }
}

/**
 * Hybrid histogram: from the idle times of each function (`FunctionIdleness` has windows and formulas) it learns after how long the next call comes. A
 * pre-warm window above 0 means that no call comes for that long: the container goes when its run has ended, and the function is named by `prewarmDue`
 * when the window is over. One that was made ahead, or whose function has no pre-warm window, goes when it has idled for the keep-alive window.
 *
 * The paper plans for one container an application. Here a container that ends while others of its function run is kept to the end of both windows: the
 * function is not idle, and its next call is no idle time away. When memory is needed the longest idle goes first; the paper leaves that open.
 *
 * A window is read when a container becomes idle, and holds for this idleness.
 */
export class HybridHistogramEviction implements EvictionPolicy {
  readonly #queue = new ExpiryQueue<HistogramNode>();
  readonly #functions: IdleFunctions;

  /** `keepAliveMs`: for functions of which not enough is known and that name none of their own. */
  constructor(binMs: number, bins: number, keepAliveMs: number) {
    this.#functions = new IdleFunctions((fn) => {
      const fixedUs = (fn.spec.keepAliveMs ?? keepAliveMs) * 1000;
      return new FunctionIdleness(fn, binMs * 1000, Math.floor(bins), fixedUs);
    });
  }

  idle(container: Container): void {
    container.evictionNode ??= new HistogramNode(container, this.#functions.of(container.fn));
    const node = container.evictionNode as HistogramNode;
    const { idleness } = node;
    if (node.running) {
      node.running = false;
      if (--idleness.running === 0) this.#functions.begin(idleness, container.idleSince);
    }
    this.#queue.put(node, container.idleSince + keptUs(node));
  }

  leave(container: Container, used: boolean): void {
    const node = container.evictionNode as HistogramNode | null;
    if (node === null) return;
    this.#queue.leave(node, used);
    const { idleness } = node;
    if (used) {
      node.running = true;
      node.hasRun = true;
      idleness.running++;
      this.#functions.end(idleness);
      return;
    }
    if (node.running) idleness.running--;
    container.evictionNode = null;
  }

  victim(): Container | null {
    return this.#queue.longestIdle();
  }

  expired(now: number): Container | null {
    return this.#queue.expired(now);
  }

  nextExpiry(): number {
    return Math.min(this.#queue.nextExpiry(), this.#functions.nextDue());
  }

  arrived(fn: FunctionRecord, now: number): void {
    this.#functions.arrived(fn, now);
  }

  prewarmDue(now: number): FunctionRecord | null {
    return this.#functions.due(now);
  }

  forget(fn: FunctionRecord): void {
    this.#functions.forget(fn);
  }
}

/** How long it may idle, µs. */
function keptUs({ hasRun, idleness }: HistogramNode): number {
  const { prewarmUs, keepAliveUs, running } = idleness;
  if (!hasRun || prewarmUs === 0) return keepAliveUs;
  return running > 0 ? prewarmUs + keepAliveUs : 0;
}

const bin: PolicyParameter = { name: 'binMs', unit: 'ms', default: 60_000, min: 1, meaning: 'width of a bin' };
const bins: PolicyParameter = {
  name: 'bins',
  unit: 'bins',
  default: 240,
  min: 1,
  max: 100_000,
  meaning: 'bins of a histogram; idle times beyond them are out of bounds',
};
const keepAlive: PolicyParameter = {
  name: 'keepAliveMs',
  unit: 'ms',
  default: 14_400_000,
  min: 0,
  meaning: 'keep-alive while a histogram says nothing, for functions that name none of their own',
};

export const hybridHistogram: PolicyEntry<EvictionPolicy> = {
  name: 'hybrid_histogram',
  family: 'eviction',
  optimises: 'memory and cold starts of functions called at regular times: unloads them, and makes them ready in time',
  parameters: [bin, bins, keepAlive],
  cost: 'O(1) a warm invocation, O(log bins + log f) one after an idle time; O(log n) a container and keep-alive period',
  source: 'Shahrad et al., Serverless in the Wild (ATC 2020), §4.2; a moving average stands for its ARIMA forecast',
  create: (parameters) =>
    new HybridHistogramEviction(
      numberOf(parameters, bin.name),
      numberOf(parameters, bins.name),
      numberOf(parameters, keepAlive.name),
    ),
};
