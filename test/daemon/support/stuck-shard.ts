import { existsSync, openSync, renameSync } from 'node:fs';
import type { ShardEnd, ShardTask } from '../../../src/worker/shard-messages.js';
import { runShard as runRealShard } from '../../../src/worker/shard-task.js';

/**
 * The real shard, which hangs when a file of that name appears in its data folder, and renames it: `busy` in JavaScript, which ends with its thread, or `stuck` in a system
 * call that nothing but the end of the process ends, as a call into a broken disk or driver does.
 */
export function runShard(task: ShardTask): Promise<ShardEnd> {
  const { dataDir } = task.config;
  const watch = setInterval(() => {
    for (const how of ['busy', 'stuck']) {
      if (!existsSync(`${dataDir}/${how}`)) continue;
      renameSync(`${dataDir}/${how}`, `${dataDir}/hung`);
      // Nobody ever opens the other end.
      if (how === 'stuck') openSync(`${dataDir}/fifo`, 'r');
      for (;;) {}
    }
  }, 20);
  watch.unref();
  return runRealShard(task).finally(() => clearInterval(watch));
}
