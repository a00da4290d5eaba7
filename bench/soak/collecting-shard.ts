import type { ShardEnd, ShardTask } from '../../src/worker/shard-messages.js';
import { runShard as runRealShard } from '../../src/worker/shard-task.js';
import { collectWhenAsked } from './collect.js';

/** The real shard, which collects its garbage when asked to. */
export function runShard(task: ShardTask): Promise<ShardEnd> {
  collectWhenAsked(task.config.dataDir, 'shard');
  return runRealShard(task);
}
