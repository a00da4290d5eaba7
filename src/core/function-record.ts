import type { Device, FunctionSpec } from './function.js';
import type { ContainerState } from './pool/container.js';
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
  /** State of the container that an invocation would get there now; `cold` = none is free. */
  stateOn(device: Device): ContainerState;
  /** Whether a container that has run before is free on this GPU (index), or on the CPU (-1). */
  warmOn(device: number): boolean;
}
