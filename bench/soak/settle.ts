import { setTimeout as pause } from 'node:timers/promises';
import { type Reading, takeReading } from './reading.js';
import type { SoakWorker } from './soak-worker.js';
import { compare, type Row } from './verdict.js';

export interface SettleOptions {
  /** How long it may take to be back; ms. */
  readonly settleMs: number;
  /** Over which idle processor time is taken; ms. */
  readonly windowMs: number;
  log(line: string): void;
}

/** Pools that a busy worker could not fill grow once it idles: no longer than this is waited for them; ms. */
const STEADY_LIMIT_MS = 30_000;

/** The reading to compare with: taken again until nothing has grown since the one before, so that what is still being filled does not count as kept later. */
export async function steadyReading(worker: SoakWorker, windowMs: number): Promise<Reading> {
  let before = await takeReading(worker, windowMs);
  for (const limit = performance.now() + STEADY_LIMIT_MS; ; ) {
    const now = await takeReading(worker, windowMs);
    if (compare(before, now).every((row) => row.ok) || performance.now() > limit) return now;
    before = now;
  }
}

/** Reads again until everything is back, or the time is over: threads that idle, pools that are too full, and caches of the kernel go by and by. */
export async function settled(worker: SoakWorker, before: Reading, options: SettleOptions): Promise<Row[]> {
  for (const limit = performance.now() + options.settleMs; ; await pause(1000)) {
    const rows = compare(before, await takeReading(worker, options.windowMs));
    if (rows.every((row) => row.ok) || performance.now() > limit) return rows;
    const over = rows.filter((row) => !row.ok).map((row) => `${row.name} ${row.after.toFixed(1)}`);
    options.log(`  not yet: ${over.join(', ')}`);
  }
}
