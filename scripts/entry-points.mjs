/**
 * What the build makes a file of: what somebody imports or starts by its path. Each is put together by itself, because what two entry points share would be cut into as many files as there are ways of
 * sharing it, and every file costs half a millisecond of each start.
 */

/** Paths below `src`, without extension. */
export const ENTRY_POINTS = [
  'index',
  'cli/main',
  'cli/demo',
  'worker/shard-task',
  'worker/lifecycle/tasks',
  'store/check-program',
  'sim/compare/comparison',
  'load/processes/child',
];
