import type { lifecycleTasks } from './lifecycle-tasks.js';

/**
 * Work of the backend that blocks (cgroups, hashing and copying source, images) and so must not run on a shard. Implemented by the life-cycle
 * pool of `worker/`; arguments and results are structured-clonable.
 */
export type LifecycleTasks = typeof lifecycleTasks;
export type LifecycleTaskName = keyof LifecycleTasks;

export interface Lifecycle {
  /** Rejects with the task's own error; an IluvatarError keeps its class. */
  run<Name extends LifecycleTaskName>(
    name: Name,
    request: Parameters<LifecycleTasks[Name]>[0],
  ): Promise<Awaited<ReturnType<LifecycleTasks[Name]>>>;
}
