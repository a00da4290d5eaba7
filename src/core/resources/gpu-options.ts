/** The GPUs of a worker, all alike. Modelled: what may be attached and what may run, never what the hardware itself does. */
export interface GpuOptions {
  readonly count: number;
  /** Of each; MiB. */
  readonly memoryMb: number;
  /** Reserved on its GPU by a container whose function names nothing else; MiB, 0 = its share: memory / slots. */
  readonly perFunctionMemoryMb: number;
  /** Containers that may be attached to a GPU at once (MPS clients), running or not. */
  readonly slots: number;
  /** Of these, how many may run at once: tokens. */
  readonly concurrency: number;
  /** No token above this estimated utilisation; percent, 0 = no limit. */
  readonly utilizationLimit: number;
  /** A GPU above that limit on which nothing of ours runs is left alone for so long; then one invocation is tried, whatever is read of it. */
  readonly utilizationHoldMs: number;
  /** Its memory is the host's: what a container reserves on it comes out of the one budget. */
  readonly sharedMemory: boolean;
}

export const noGpus: GpuOptions = {
  count: 0,
  memoryMb: 0,
  perFunctionMemoryMb: 0,
  slots: 1,
  concurrency: 1,
  utilizationLimit: 0,
  utilizationHoldMs: 0,
  sharedMemory: false,
};
