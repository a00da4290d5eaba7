import type { Device } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import type { Invocation } from '../invocation.js';

/** What an invocation finds: `cold` = made for it, `prewarm` = ready but never ran, `warm` = has run. */
export type ContainerState = 'cold' | 'prewarm' | 'warm';

export interface Container {
  /** Unique within an engine, increasing. */
  readonly id: number;
  readonly fn: FunctionRecord;
  readonly backend: string;
  /** What its invocations run on. */
  readonly device: Device;
  /** The GPU that it is attached to, from its reservation until it is gone; -1 = none. */
  readonly gpu: number;
  /** MiB reserved from before its creation until it is gone. */
  readonly memoryMb: number;
  state: ContainerState;
  /** `creating` and `running` count as running memory, `idle` as cached, `destroying` stays reserved until gone. */
  phase: 'creating' | 'idle' | 'running' | 'destroying';
  readonly createdAt: number;
  /** Last time it became idle (not when it was taken): a long run is not idleness. */
  idleSince: number;
  invocations: number;
  /** What it runs now; at most `fn.spec.concurrency`. */
  active: number;
  /** Last measured use, MiB; never replaces the reservation. */
  measuredMb: number;
  /** The invocation it is being created for, or null (prewarm). */
  pending: Invocation | null;
  /** Scratch of the pool and the eviction policy (list links, priorities). */
  poolNode: unknown;
  evictionNode: unknown;
  /** The backend's own handle. */
  handle: unknown;
}
