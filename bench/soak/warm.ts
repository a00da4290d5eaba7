import { loadRequests } from '../lib/load.js';
import { registerNoOp } from '../lib/noop.js';
import { settled, steadyReading } from './settle.js';
import type { SoakWorker } from './soak-worker.js';
import type { Row } from './verdict.js';

/** Millions of invocations in the same few containers: nothing may grow with their number. */
export interface WarmSoakOptions {
  readonly invocations: number;
  readonly clients: number;
  readonly settleMs: number;
  readonly windowMs: number;
  log(line: string): void;
}

const STEP = 250_000;
/** Of the invocations, before the first reading. */
const WARM_UP = 0.02;

export async function soakWarm(
  worker: SoakWorker,
  options: WarmSoakOptions,
): Promise<{ rows: readonly Row[]; made: number }> {
  const { invocations, clients, windowMs, log } = options;
  await registerNoOp(worker, 2);
  let made = 0;
  const run = async (count: number): Promise<void> => {
    for (const until = made + count; made < until; ) {
      const { answered, throughput } = await loadRequests(worker.socket, clients, Math.min(STEP, until - made));
      made += answered;
      log(`  ${made} of ${invocations} invocations, ${Math.round(throughput)}/s`);
    }
  };
  await run(invocations * WARM_UP);
  const before = await steadyReading(worker, windowMs);
  await run(invocations - made);
  return { rows: await settled(worker, before, options), made };
}
