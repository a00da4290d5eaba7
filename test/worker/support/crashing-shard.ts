import { existsSync, rmSync } from 'node:fs';
import type { ShardEnd, ShardTask } from '../../../src/worker/shard-messages.js';
import { runShard as runRealShard } from '../../../src/worker/shard-task.js';

/** The real shard, which throws from its event loop when a file named `crash` appears in its data folder. */
export function runShard(task: ShardTask): Promise<ShardEnd> {
  const trigger = `${task.config.dataDir}/crash`;
  const watch = setInterval(() => {
    if (!existsSync(trigger)) return;
    rmSync(trigger);
    throw new Error('crashed as asked');
  }, 20);
  watch.unref();
  return runRealShard(task).finally(() => clearInterval(watch));
}
