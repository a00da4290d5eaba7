import { cpus, freemem, loadavg, totalmem } from 'node:os';
import type { MetricDefinition, Sample } from './metric.js';

/** Of this process and of the machine, read when somebody asks. */

export const PROCESS_METRICS: readonly MetricDefinition[] = [
  plain('process_cpu_seconds_total', 'counter', 'CPU time of the worker process', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  }),
  plain('process_resident_memory_bytes', 'gauge', 'Resident memory of the worker process', () =>
    process.memoryUsage.rss(),
  ),
  plain(
    'nodejs_heap_used_bytes',
    'gauge',
    'JavaScript heap in use in this thread',
    () => process.memoryUsage().heapUsed,
  ),
];

export const HOST_METRICS: readonly MetricDefinition[] = [
  plain('iluvatar_host_load1', 'gauge', 'Load average of the last minute', () => loadavg()[0] as number),
  plain('iluvatar_host_cpus', 'gauge', 'Processors of the machine', () => cpus().length),
  {
    name: 'iluvatar_host_cpu_seconds_total',
    kind: 'counter',
    help: 'CPU time of the machine, of all processors together: user, nice, system, irq, idle (waiting for disks is in none)',
    labels: ['mode'],
    samples: () => Object.entries(cpuSeconds()).map(([mode, value]): Sample => ({ labels: { mode }, value })),
  },
  plain('iluvatar_host_memory_total_bytes', 'gauge', 'Memory of the machine', () => totalmem()),
  plain('iluvatar_host_memory_available_bytes', 'gauge', 'Memory that could still be had (MemAvailable)', () =>
    freemem(),
  ),
];

/** Since the machine started; the time in which processors wait for disks is in none of them. */
export function cpuSeconds(): Record<'user' | 'nice' | 'system' | 'irq' | 'idle', number> {
  const sum = { user: 0, nice: 0, system: 0, irq: 0, idle: 0 };
  for (const { times } of cpus()) {
    sum.user += times.user / 1000;
    sum.nice += times.nice / 1000;
    sum.system += times.sys / 1000;
    sum.irq += times.irq / 1000;
    sum.idle += times.idle / 1000;
  }
  return sum;
}

function plain(name: string, kind: MetricDefinition['kind'], help: string, value: () => number): MetricDefinition {
  return { name, kind, help, labels: [], samples: () => [{ value: value() }] };
}
