import { lifecycleTasks } from '../../backends/lifecycle-tasks.js';
import { type TaskAnswer, toAnswer } from './answer.js';

/**
 * What a life-cycle thread runs: one exported function, told by name what to do. Errors come back as data, because an error that
 * crosses threads keeps its message but loses its class.
 */
export interface TaskCall {
  readonly name: keyof typeof lifecycleTasks;
  readonly request: unknown;
}

export async function runTask(call: TaskCall): Promise<TaskAnswer> {
  const task = lifecycleTasks[call.name] as (request: unknown) => unknown;
  return toAnswer(async () => task(call.request));
}
