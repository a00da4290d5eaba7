import type { FunctionSpec } from './function.js';
import type { FunctionStats } from './stats.js';

/** A registered function inside an engine: its spec and what the engine has learnt about it. */
export interface FunctionRecord {
  readonly key: string;
  readonly spec: FunctionSpec;
  /** Dense index within the engine, reused after unregistering. */
  readonly index: number;
  readonly stats: FunctionStats;
  queued: number;
  running: number;
  containers: number;
  /** Set by unregister: nothing new is accepted. */
  removed: boolean;
}
