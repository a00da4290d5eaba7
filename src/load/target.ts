import type { FunctionDefinitionInput, PrewarmOptions, WorkerStatus } from '../config/api.js';

/**
 * What a load is driven against: a worker by its unix socket, HTTP or gRPC, a worker in this process, a simulated one, and a controller. A target translates and measures
 * nothing: the clock is the driver's. It promises no order among invocations, and that none is sent twice.
 */
export interface LoadTarget {
  /** For people and results, as the user gave it: `unix:/run/…`, `http://…`, `grpc://…`. */
  readonly address: string;
  /** What other processes open it by, where that is another address: of a worker of the load's own. */
  readonly reachableAt?: string;
  /** Rejects with an IluvatarError: `conflict` when another function of that name and version is there. */
  register(fn: LoadFunction): Promise<void>;
  prewarm(name: string, options: PrewarmOptions): Promise<void>;
  /** Never rejects: a call that failed, also for want of a connection, has an answer that says so. */
  invoke(call: LoadCall): Promise<LoadAnswer>;
  /** What its worker says of itself; absent where the protocol does not tell all of it. */
  status?(): Promise<WorkerStatus>;
  /** Removes idle containers; how many. */
  clean(): Promise<number>;
  /** Resolves once nothing of this target is open; calls in flight are given up. */
  close(): Promise<void>;
}

export interface LoadFunction {
  readonly definition: FunctionDefinitionInput;
  /** Source as a tar archive, for targets on other hosts; null = `definition` names a path or an image that the target knows. */
  readonly archive: Uint8Array | null;
  /** Takes the place of another function of that name and version, which is a `conflict` otherwise, and with targets that cannot do it. */
  readonly replace?: boolean;
}

export interface LoadCall {
  readonly name: string;
  readonly version: string;
  /** JSON text. */
  readonly args: string;
  /** Empty = the target makes one. */
  readonly tid: string;
  /** 0 = the function's own; ms. */
  readonly timeoutMs: number;
}

/** Lengths of time in µs as the worker says them; -1 = it did not say. */
export interface LoadAnswer {
  /** `ok`, or the class of the error. */
  readonly outcome: string;
  /** For people; empty = none. */
  readonly error: string;
  /** The function's result, JSON text; null = none, or not kept. */
  readonly result: string | null;
  readonly tid: string;
  readonly state: 'cold' | 'prewarm' | 'warm' | null;
  readonly queueUs: number;
  readonly createUs: number;
  readonly runUs: number;
  /** CPU time on all cores. */
  readonly cpuUs: number;
  /** What it took of the machine, as the worker says; whole µJ, -1 = it did not say. */
  readonly energyUj: number;
  readonly attempts: number;
  /** Empty = it did not say. */
  readonly worker: string;
  readonly backend: string;
  readonly device: string;
}
