import { existsSync, readFileSync, rmSync } from 'node:fs';
import { runTask as runRealTask, type TaskCall, type TaskEnd } from '../../../src/worker/lifecycle/tasks.js';

/**
 * The real tasks of a life-cycle thread, which misbehave once, at the next task of a name, when the folder that the environment names holds a file `lifecycle-fault` with
 * `<task> <fault>`: `throw` (outside of the task), `exit`, `abort`, `hang` (its event loop stands still) or `never` (it does not, and the task goes on for ever).
 */
export function runTask(call: TaskCall): Promise<TaskEnd> {
  const fault = takeFault(call.name);
  if (fault === null) return runRealTask(call);
  Atomics.store(new Int32Array(call.begun), 0, 1);
  switch (fault) {
    case 'exit':
      return process.exit(7);
    case 'abort':
      // As abort(3) does, which Node takes from threads.
      process.kill(process.pid, 'SIGABRT');
      return new Promise(() => {});
    case 'throw':
      setTimeout(() => {
        throw new Error('thrown on a life-cycle thread');
      });
      return new Promise(() => {});
    case 'hang':
      // Begun as a task, so that the thread counts as busy.
      setTimeout(() => {
        for (;;) {}
      });
      return runRealTask(asEndless(call));
    default:
      return runRealTask(asEndless(call));
  }
}

/** A task that waits, for far longer than a test does, for a process that lives: this one. */
function asEndless(call: TaskCall): TaskCall {
  return { ...call, name: 'awaitProcesses', request: { pids: [process.pid], graceMs: 1e9, limitMs: 1e9 } };
}

function takeFault(task: string): string | null {
  const file = `${process.env['ILUVATAR_TEST_FAULTS']}/lifecycle-fault`;
  if (!existsSync(file)) return null;
  const [name, fault = ''] = readFileSync(file, 'utf8').trim().split(' ');
  if (name !== task) return null;
  rmSync(file, { force: true });
  return fault;
}
