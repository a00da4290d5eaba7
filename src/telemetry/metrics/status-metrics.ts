import type { WorkerStatus } from '../../config/api.js';
import { type MetricDefinition, MIB, type Sample } from './metric.js';

/** Of the worker as a whole: what `iluvatar status` shows. */

type Labels = MetricDefinition['labels'];

export const STATUS_METRICS: readonly MetricDefinition[] = [
  gauge(
    'iluvatar_worker_info',
    'Name, version and state of the worker; always 1',
    ['name', 'version', 'state'],
    (s) => [{ labels: { name: s.name, version: s.version, state: s.state }, value: 1 }],
  ),
  plain('iluvatar_worker_uptime_seconds', 'Time since the start', ({ uptimeS }) => uptimeS),
  plain('iluvatar_functions', 'Registered functions', ({ functions }) => functions),
  plain('iluvatar_queue_length', 'Queued invocations', ({ queue }) => queue.length),
  plain('iluvatar_queue_limit', 'Most invocations that may be queued', ({ queue }) => queue.limit),
  queued('iluvatar_device_queue_length', 'Queued invocations by device', (queue) => queue.length),
  queued('iluvatar_device_queue_expected_seconds', 'Expected work queued by device', (queue) => queue.expectedUs / 1e6),
  queued('iluvatar_device_throughput', 'Seconds of execution a second by device', (queue) => queue.throughput),
  gauge(
    'iluvatar_invocations_in_progress',
    'Invocations that wait for a container being made (starting), and inside one (running)',
    ['state'],
    ({ starting, running }) => byState({ starting, running }),
  ),
  gpu('iluvatar_gpu_up', 'Whether the GPU is there', (one) => (one.present ? 1 : 0)),
  gpu('iluvatar_gpu_running', 'Invocations running on the GPU', (one) => one.running),
  gpu('iluvatar_gpu_containers', 'Containers attached to the GPU', (one) => one.containers),
  gpu('iluvatar_gpu_memory_reserved_bytes', 'Reserved device memory', (one) => one.reservedMb * MIB),
  gpu('iluvatar_gpu_utilization_ratio', 'Utilisation as last read, corrected since', (one) => one.utilization / 100),
  gpu('iluvatar_gpu_held', 'Whether nothing starts on the GPU because of its utilisation', (one) => (one.held ? 1 : 0)),
  gauge('iluvatar_cpu_slots', 'CPU slots by use: used, free', ['state'], ({ cpu }) =>
    byState({ used: cpu.used, free: cpu.slots - cpu.used }),
  ),
  gauge('iluvatar_memory_bytes', 'Reserved memory by use: running, cached', ['state'], ({ memory }) =>
    byState({ running: memory.runningMb * MIB, cached: memory.cachedMb * MIB }),
  ),
  plain('iluvatar_memory_total_bytes', 'Reserved memory: running and cached', ({ memory }) => memory.totalMb * MIB),
  plain('iluvatar_memory_budget_bytes', 'Memory that containers may reserve', ({ memory }) => memory.budgetMb * MIB),
  plain(
    'iluvatar_memory_overshoot_bytes',
    'Used above reservations, under memory policy grow',
    ({ memory }) => memory.overshootMb * MIB,
  ),
  gauge('iluvatar_containers', 'Containers by use: running, cached', ['state'], ({ memory }) =>
    byState({ running: memory.runningContainers, cached: memory.cachedContainers }),
  ),
  {
    name: 'iluvatar_containers_removed_total',
    kind: 'counter',
    help: 'Containers that were taken away: evicted for their memory (pressure = the host was short of it), expired, outgrown, or crashed',
    labels: ['reason'],
    samples: ({ status }) => removals(status.counters),
  },
  gauge('iluvatar_shard_restarts', 'Restarts of each shard since the start', ['shard'], ({ shards }) =>
    shards.map((shard) => ({ labels: { shard: shard.id }, value: shard.restarts })),
  ),
  {
    name: 'iluvatar_events_total',
    kind: 'counter',
    help: "The worker's own counters by name",
    labels: ['event'],
    samples: ({ status }) => Object.entries(status.counters).map(([event, value]) => ({ labels: { event }, value })),
  },
];

function gauge(
  name: string,
  help: string,
  labels: Labels,
  samples: (status: WorkerStatus) => Sample[],
): MetricDefinition {
  return { name, kind: 'gauge', help, labels, samples: ({ status }) => samples(status) };
}

function plain(name: string, help: string, value: (status: WorkerStatus) => number): MetricDefinition {
  return gauge(name, help, [], (status) => [{ value: value(status) }]);
}

function queued(name: string, help: string, value: (queue: WorkerStatus['queues']['cpu']) => number): MetricDefinition {
  return gauge(name, help, ['device'], ({ queues }) =>
    Object.entries(queues).map(([device, queue]) => ({ labels: { device }, value: value(queue) })),
  );
}

function gpu(name: string, help: string, value: (gpu: WorkerStatus['gpus'][number]) => number): MetricDefinition {
  return gauge(name, help, ['gpu'], ({ gpus }) =>
    gpus.map((one) => ({ labels: { gpu: one.index }, value: value(one) })),
  );
}

function byState(values: Record<string, number>): Sample[] {
  return Object.entries(values).map(([state, value]) => ({ labels: { state }, value }));
}

function removals(counters: WorkerStatus['counters']): Sample[] {
  const { containersEvicted: evicted = 0, containersRelieved: pressure = 0 } = counters;
  const { containersExpired: expired = 0, containersOutgrown: outgrown = 0, containersCrashed: crashed = 0 } = counters;
  // Those that went under pressure are among the evicted ones: a sum over the reasons must count each once.
  return Object.entries({ evicted: evicted - pressure, pressure, expired, outgrown, crashed }).map(
    ([reason, value]) => ({ labels: { reason }, value }),
  );
}
