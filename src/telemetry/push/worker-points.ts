import type { WorkerStatus } from '../../config/api.js';
import type { FunctionGauges } from '../metrics/metric.js';
import { jetsonFields } from './jetson-point.js';
import { FUNCTION_LOAD, fraction, type Point, whole } from './point.js';

/** What is pushed of a worker. */
export interface WorkerSample {
  readonly status: WorkerStatus;
  readonly functions: readonly FunctionGauges[];
  readonly tags: Readonly<Record<string, string>>;
  /** Wall clock; ms. */
  readonly timeMs: number;
  /** Invocations that may run on GPUs at once; 0 = there are none. */
  readonly gpuTokens: number;
}

/**
 * `worker_load` has the tags and fields of Ilúvatar, with its meanings: `host_mem_pct` is a part of 1, and of what containers may reserve; load averages are per core, and of the GPU expected seconds of queued
 * work per token. `worker_state` is what that leaves out: memory apart by use, containers, and counts since the start;
 * `worker_jetson` is of the board.
 */
export function workerPoints(sample: WorkerSample): Point[] {
  const { status, tags, timeMs, gpuTokens } = sample;
  const { memory, queues, counters, cpu, host } = status;
  const count = (name: string): number => counters[name] ?? 0;
  const head = { tags: { ...tags, name: status.name, node_type: 'worker' }, timeMs };
  return [
    {
      ...head,
      measurement: 'worker_load',
      path: [status.name, 'worker_load'],
      fields: [
        fraction('cpu_loadavg', host.loadPerCore),
        fraction('gpu_loadavg', gpuTokens === 0 ? 0 : queues.gpu.expectedUs / 1e6 / gpuTokens),
        fraction('cpu_util', host.cpuPercent),
        whole('cpu_queue_len', queues.cpu.length),
        whole('gpu_queue_len', queues.gpu.length),
        fraction('host_mem_pct', memory.budgetMb === 0 ? 0 : memory.totalMb / memory.budgetMb),
        whole('num_running_funcs', status.running),
      ],
    },
    {
      ...head,
      measurement: 'worker_state',
      path: [status.name, 'worker_state'],
      fields: [
        fraction('memory_running_mb', memory.runningMb),
        fraction('memory_cached_mb', memory.cachedMb),
        fraction('memory_total_mb', memory.totalMb),
        fraction('memory_budget_mb', memory.budgetMb),
        whole('containers_running', memory.runningContainers),
        whole('containers_cached', memory.cachedContainers),
        fraction('cpu_slots_used', cpu.used),
        fraction('cpu_slots', cpu.slots),
        whole('starting', status.starting),
        whole('functions', status.functions),
        whole('invocations', count('invocations')),
        whole('succeeded', count('succeeded')),
        whole('cold', count('cold')),
        whole('prewarm', count('prewarm')),
        whole('warm', count('warm')),
        whole('user_errors', count('userErrors')),
        whole('timeouts', count('timeouts')),
        whole('overloaded', count('overloaded')),
        whole('failed', count('failed')),
        whole('evicted', count('containersEvicted')),
        whole('expired', count('containersExpired')),
      ],
    },
    ...jetsonPoints(sample, head),
    ...sample.functions.map((fn): Point => functionPoint(fn, sample)),
  ];
}

function jetsonPoints({ status }: WorkerSample, head: Pick<Point, 'tags' | 'timeMs'>): Point[] {
  // A status that was fetched from an older worker has none.
  const { jetson = null } = status;
  if (jetson === null) return [];
  const measurement = 'worker_jetson';
  return [{ ...head, measurement, path: [status.name, measurement], fields: jetsonFields(jetson) }];
}

function functionPoint({ name, version, queued, running, containers }: FunctionGauges, sample: WorkerSample): Point {
  const worker = sample.status.name;
  return {
    measurement: FUNCTION_LOAD,
    tags: { ...sample.tags, name: worker, function: name, version },
    timeMs: sample.timeMs,
    path: [worker, FUNCTION_LOAD, version === '' ? name : `${name}@${version}`],
    fields: [whole('queued', queued), whole('running', running), whole('containers', containers)],
  };
}
