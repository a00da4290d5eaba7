import { appendFileSync, openSync, readFileSync } from 'node:fs';
import type { ShardEnd, ShardTask } from '../../../src/worker/shard-messages.js';
import { runShard as runRealShard } from '../../../src/worker/shard-task.js';

/**
 * The real shard, whose first start hangs after a while, as its data folder's `plan` says: `busy` in JavaScript, which ends with its thread, or `stuck` in a system call that
 * nothing but the end of the process ends, as a call into a broken disk or driver does.
 */
export function runShard(task: ShardTask): Promise<ShardEnd> {
  const { dataDir } = task.config;
  const first = readFileSync(`${dataDir}/starts`, 'utf8') === '';
  appendFileSync(`${dataDir}/starts`, 'x');
  if (first) setTimeout(() => hang(readFileSync(`${dataDir}/plan`, 'utf8'), dataDir), 3000).unref();
  return runRealShard(task);
}

function hang(plan: string, dataDir: string): void {
  // Nobody ever opens the other end.
  if (plan === 'stuck') openSync(`${dataDir}/fifo`, 'r');
  for (;;) {}
}
