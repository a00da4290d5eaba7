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

/** Reads again until everything is back, or the time is over: threads that idle, pools that are too full, and caches of the kernel go by and by. */
export async function settled(worker: SoakWorker, before: Reading, options: SettleOptions): Promise<Row[]> {
  for (const limit = performance.now() + options.settleMs; ; await pause(1000)) {
    const rows = compare(before, await takeReading(worker, options.windowMs));
    if (rows.every((row) => row.ok) || performance.now() > limit) return rows;
    const over = rows.filter((row) => !row.ok).map((row) => `${row.name} ${row.after.toFixed(1)}`);
    options.log(`  not yet: ${over.join(', ')}`);
  }
}
