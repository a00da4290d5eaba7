import { existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import type { ShardEnd, ShardTask } from '../../../src/worker/shard-messages.js';
import { runShard as runRealShard } from '../../../src/worker/shard-task.js';
import { testProgram } from '../../support/test-program.js';
import { misbehave } from '../support/misbehave.js';

/**
 * The real shard with its real threads, which misbehaves when its data folder has a file `shard-fault` with the name of a fault: `throw`, `reject`, `exit`, `hang`, or `leak` (descriptors, one
 * after the other). The
 * only way to such a fault is this file: a worker as it is shipped runs another one.
 */
export function runShard(task: ShardTask): Promise<ShardEnd> {
  const trigger = `${task.config.dataDir}/shard-fault`;
  const watch = setInterval(() => {
    if (!existsSync(trigger)) return;
    const fault = readFileSync(trigger, 'utf8').trim();
    if (fault === '') return;
    rmSync(trigger);
    if (fault === 'leak') leak();
    else misbehave(fault);
  }, 20);
  watch.unref();
  const lifecycleFile = testProgram('worker/supervision/faulty-lifecycle');
  return runRealShard(task, { lifecycleFile }).finally(() => clearInterval(watch));
}

const LEAKED = 100;

function leak(): void {
  for (let i = 0; i < LEAKED; i++) openSync('/dev/null', 'r');
}
