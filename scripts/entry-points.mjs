/**
 * What the build makes a file of: what somebody imports or starts by its path; below `src`, without extension. What is started often is put together by itself, because what two entry points
 * share is cut into as many files as there are ways of sharing it, and every file costs half a millisecond of each start.
 */
export const ENTRY_POINTS = [
  ['cli/main', 'load/processes/child'],
  ['index', 'cli/demo'],
  ['worker/shard-task'],
  ['worker/lifecycle/tasks'],
  ['store/check-program'],
  ['sim/compare/comparison'],
];
