import type { FunctionDefinition } from '../config/api.js';
import type { ErrorClass, ErrorDetails } from '../core/errors.js';
import type { FunctionSpec } from '../core/function.js';
import type { ContainerFailure, DestroyReason } from '../core/ports.js';
import type { TraceHeaders } from '../telemetry/tracing/trace-context.js';
import type { KeepableContainer, KeptContainer } from './kept.js';

/** A function made runnable on one backend: layers installed, image pulled. Opaque to everybody else. */
export interface PreparedFunction {
  readonly key: string;
  /** Its `source` lasts: this backend can prepare the function from it again when what it was registered with is gone, as an upload is. */
  readonly definition: FunctionDefinition;
  /** As found in the source when the definition leaves it open. */
  readonly runtime: string;
  /** Hash of everything that decides what runs: source, dependencies, interpreter. Same content, same digest. */
  readonly digest: string;
}

export interface RunRequest {
  readonly requestId: number;
  readonly tid: string;
  readonly timeoutMs: number;
  /** A payload token of the shard's transport, or bytes. */
  readonly payload: number | Uint8Array | string | null;
  /** What the function is told of the trace that it is part of; null or absent = nothing. */
  readonly trace?: TraceHeaders | null;
}

/** The end of one run. `payload` is a token of the shard's transport (whoever receives it forwards, takes or drops it), bytes, or null. */
export interface RunResult {
  readonly requestId: number;
  readonly errorClass: ErrorClass | null;
  readonly message: string | null;
  readonly details: ErrorDetails | null;
  readonly payload: number | Uint8Array | null;
  readonly runUs: number;
  /** Part of it in which the container's CPU quota was used up, summed over the cores; µs, absent = 0. */
  readonly throttledUs?: number;
  /** What its container held at most, where that was found to be above its soft limit (`memorySoftBytes`); MiB, absent = 0 = not known to be. */
  readonly overMb?: number;
  /** CPU time of its container that is its own, on all cores; µs, absent or null = not measured. */
  readonly cpuUs?: number | null;
}

/** What a container has in memory; bytes, zeros = could not be read. */
export interface MemoryReading {
  /** Anonymous, kernel and shared memory and tmpfs: what it holds. */
  readonly usedBytes: number;
  /** File pages that the kernel drops when somebody needs the room. */
  readonly cacheBytes: number;
}

/** What a container tells its owner. Each may be called from inside the command that caused it. */
export interface ContainerEvents {
  ready(): void;
  /** It never became ready; nothing of it is left or will be. */
  failed(failure: ContainerFailure): void;
  completed(result: RunResult): void;
  /** It died on its own: everything it was running ends with this failure. `destroy` is still called. */
  exited(failure: ContainerFailure): void;
  output(stream: 'stdout' | 'stderr', chunk: Buffer): void;
}

/** One container. Commands never throw. */
export interface BackendContainer {
  /** The name under which everything it owns can be found: `<worker>/<container>`. */
  readonly name: string;
  run(request: RunRequest): void;
  cancel(requestId: number, reason: 'timeout' | 'cancelled'): void;
  /** CPU time so far of a run that goes on; µs, null = not measured. */
  cpuUs(requestId: number): number | null;
  /** Resolves when processes, cgroups and files are gone and the memory is free. Idempotent. */
  destroy(reason: DestroyReason): Promise<void>;
  /** What it takes to take it over when this process is gone. null = it is not ready, or ends with the process. */
  keepable(): KeepableContainer | null;
}

export interface BackendHealth {
  readonly name: string;
  readonly healthy: boolean;
  /** Sentences for people: what is missing, which protections are off, and what would bring them. */
  readonly notes: readonly string[];
  readonly counters: Readonly<Record<string, number>>;
}

/**
 * Something that makes and runs containers. Implementations: `process` (embedded), `containerd`, `docker`, `simulated`. It does
 * not decide when to create, keep or evict: the engine does. Not promised: that `create` is fast, or that two creations finish in order.
 */
export interface Backend {
  readonly name: string;
  /** Removes what an earlier process left, except for what belongs to `kept`: each of these comes back by `adopt`. */
  start(kept?: readonly KeptContainer[]): Promise<void>;
  /** Registration: everything slow happens here. `progress` gets one line per step. Rejects with an IluvatarError. */
  prepare(
    definition: FunctionDefinition,
    spec: FunctionSpec,
    progress: (line: string) => void,
  ): Promise<PreparedFunction>;
  /** The function is gone: pools and zygotes kept for it may go. */
  release(prepared: PreparedFunction): Promise<void>;
  /** `env`: what this container's environment has beside the function's, which goes before. */
  create(
    prepared: PreparedFunction,
    env: Readonly<Record<string, string>>,
    id: number,
    events: ContainerEvents,
  ): BackendContainer;
  /**
   * Takes over a container that an earlier process made. It tells that it is `ready` once it has answered, with nothing running in it, or that it `failed`, within `limitMs`. Without a function
   * (`prepared` null: it is not registered any more, or is another now) it is only there to be destroyed.
   */
  adopt(
    kept: KeptContainer,
    prepared: PreparedFunction | null,
    limitMs: number,
    events: ContainerEvents,
  ): BackendContainer;
  /** Measured memory of each, in one batch off the shard. */
  memory(containers: readonly BackendContainer[]): Promise<MemoryReading[]>;
  health(): BackendHealth;
  /** Names of all containers that carry this worker's mark, looked for where they would be, not in what it remembers. */
  list(): Promise<readonly string[]>;
  /** Removes what this worker owns; resolves with what was removed. */
  clean(): Promise<readonly string[]>;
  stop(): Promise<void>;
}
