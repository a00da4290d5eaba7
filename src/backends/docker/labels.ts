/** What the worker's things in Docker carry. */
export const LABELS = {
  /** The worker's scope. */
  worker: 'dev.iluvatar.worker',
  /** `name@version` */
  function: 'dev.iluvatar.function',
  /** Of its cgroup, for whoever removes it without a plan. */
  cgroup: 'dev.iluvatar.cgroup',
} as const;
