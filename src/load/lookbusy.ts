import type { FunctionDefinitionInput } from '../config/api.js';
import { nativeFile } from '../native.js';

/** The synthetic load `functions/lookbusy`, as it is registered and called. functions/lookbusy/README.md says what it does. */

/** Of its container besides the memory that it is asked to hold: program, threads, and the supervisor beside it; MiB. */
export const LOOKBUSY_OVERHEAD_MB = 16;
/** Threads are processes to the limit of a container. */
const SPARE_PROCESSES = 32;

export interface LookbusyLoad {
  /** A run that finds its container new takes this long, any other `warmMs`. */
  readonly coldMs: number;
  readonly warmMs: number;
  /** Held by the container; MiB. Default 0. */
  readonly memoryMb?: number;
  /** Threads that work at the same time. Default 1. */
  readonly threads?: number;
  /** Share of the time in which each is busy, from 0 to 1; it sleeps in the rest. Default 1. */
  readonly busy?: number;
  /**
   * What the time is measured by: `wall` = it is over when it is over, however much of it others had the processors; `cpu` = it is an amount of work, which takes
   * longer where processors are short. Default `wall`.
   */
  readonly clock?: 'wall' | 'cpu';
}

export interface LookbusyDefinition {
  readonly name: string;
  readonly version?: string;
  /** Of the whole container; MiB. */
  readonly memoryMb: number;
  /** Threads that work at the same time: as many CPUs are asked for. Default 1. */
  readonly threads?: number;
  /** What a container needs to start, over what the platform itself takes; ms. Default 0. */
  readonly initMs?: number;
  readonly timeoutMs?: number;
}

/** Its program, a static executable that runs in any container. */
export function lookbusyProgram(): string {
  return nativeFile('iluvatar-lookbusy');
}

/** For registration on this machine, where the program is. */
export function lookbusyDefinition(options: LookbusyDefinition): FunctionDefinitionInput {
  const { name, version, memoryMb, threads = 1, initMs = 0, timeoutMs } = options;
  return {
    name,
    ...(version === undefined ? {} : { version }),
    source: lookbusyProgram(),
    runtime: 'binary',
    memoryMb: Math.ceil(memoryMb),
    cpus: threads,
    pids: threads + SPARE_PROCESSES,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(initMs === 0 ? {} : { env: { LOOKBUSY_INIT_MS: String(initMs) } }),
  };
}

/** Arguments of an invocation, JSON text. */
export function lookbusyArguments(load: LookbusyLoad): string {
  const { coldMs, warmMs, memoryMb = 0, threads = 1, busy = 1, clock = 'wall' } = load;
  return JSON.stringify({ cold_run_ms: coldMs, warm_run_ms: warmMs, mem_mb: memoryMb, ncpus: threads, busy, clock });
}
