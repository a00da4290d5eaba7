import { integer, type Table } from '../tables/columns.js';

/** The state of a worker at the beginning of one second of a run, after all that happened before. */
export interface SecondRow {
  /** Seconds since the beginning of the trace. */
  second: number;
  /** Of containers being created, running or being destroyed. */
  runningMb: number;
  /** Of idle containers. */
  cachedMb: number;
  runningContainers: number;
  cachedContainers: number;
  /** Invocations queued, and of these for the GPUs. */
  queued: number;
  queuedGpu: number;
  /** Invocations inside containers, and waiting for one that is being created. */
  running: number;
  starting: number;
  /** CPU slots in use. */
  busySlots: number;
  /** Mean power of the machine in the second before; mW, -1 = not modelled. */
  powerMw: number;
}

export const secondTable: Table<SecondRow> = {
  name: 'seconds',
  version: 1,
  columns: [
    integer('second', 's', 'since the beginning of the trace', (row) => row.second),
    integer('running_mb', 'MiB', 'of containers being created, running or being destroyed', (row) => row.runningMb),
    integer('cached_mb', 'MiB', 'of idle containers', (row) => row.cachedMb),
    integer('queue_cpu', 'number', 'invocations queued for the CPU', (row) => row.queued - row.queuedGpu),
    integer('queue_gpu', 'number', 'invocations queued for a GPU', (row) => row.queuedGpu),
    { kind: 'decimal', name: 'busy_slots', unit: 'slots', meaning: 'CPU slots in use', get: (row) => row.busySlots },
    integer('running_containers', 'number', 'of the containers of `running_mb`', (row) => row.runningContainers),
    integer('cached_containers', 'number', 'of the containers of `cached_mb`', (row) => row.cachedContainers),
    integer('running', 'number', 'invocations inside containers', (row) => row.running),
    integer('starting', 'number', 'invocations waiting for a container being created', (row) => row.starting),
    integer('power_mw', 'mW', 'mean power in the second before; nothing = not modelled', (row) => row.powerMw, -1),
  ],
};
