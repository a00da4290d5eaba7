import { runShard as runBuiltShard } from '../../dist/worker/shard-task.js';
import { collectWhenAsked } from './collect.mjs';

/** The built shard, which collects its garbage when asked to. */
export function runShard(task) {
  collectWhenAsked(task.config.dataDir, 'shard');
  return runBuiltShard(task);
}
