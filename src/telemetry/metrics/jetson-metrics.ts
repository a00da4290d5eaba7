import type { JetsonStatus } from '../../config/jetson-api.js';
import { type MetricDefinition, MIB, type Sample } from './metric.js';

/** Of the Jetson that the worker runs on; on other machines they have no samples. */

const INFO = ['model', 'chip', 'l4t', 'power_mode', 'source'];

export const JETSON_METRICS: readonly MetricDefinition[] = [
  jetson(
    'iluvatar_jetson_info',
    'gauge',
    'The board and who is asked about it; always 1',
    INFO,
    ({ board, source }) => [
      {
        labels: {
          model: board?.model ?? '',
          chip: board?.chip ?? '',
          l4t: board?.l4t ?? '',
          power_mode: board?.powerMode?.name ?? String(board?.powerMode?.id ?? ''),
          source,
        },
        value: 1,
      },
    ],
  ),
  jetson('iluvatar_jetson_stale', 'gauge', 'Whether the utilisation of the GPU is not known', [], ({ stale }) => [
    { value: stale ? 1 : 0 },
  ]),
  jetson(
    'iluvatar_jetson_age_seconds',
    'gauge',
    'Since values were last read: gpu, memory, power, temperatures',
    ['value'],
    ({ gpu, memory, power, temperaturesAgeMs }) =>
      Object.entries({
        gpu: gpu.ageMs,
        memory: memory.ageMs,
        power: power.ageMs,
        temperatures: temperaturesAgeMs,
      }).flatMap(([value, ageMs]) => known(ageMs, 1e-3, { value })),
  ),
  jetson('iluvatar_jetson_gpu_utilization_ratio', 'gauge', 'Utilisation of the GPU, smoothed', [], ({ gpu }) =>
    known(gpu.utilizationPercent, 0.01),
  ),
  jetson('iluvatar_jetson_gpu_frequency_hertz', 'gauge', 'Clock of the GPU', [], ({ gpu }) => known(gpu.freqMhz, 1e6)),
  jetson('iluvatar_jetson_memory_used_bytes', 'gauge', 'Used by CPU and GPU together, smoothed', [], ({ memory }) =>
    known(memory.usedMb, MIB),
  ),
  jetson('iluvatar_jetson_memory_total_bytes', 'gauge', 'Memory of CPU and GPU together', [], ({ memory }) =>
    known(memory.totalMb, MIB),
  ),
  jetson(
    'iluvatar_jetson_power_watts',
    'gauge',
    'Power of the whole board, smoothed; estimated = put together from rails',
    ['estimated'],
    ({ power }) => known(power.totalMw, 1e-3, { estimated: String(power.estimated) }),
  ),
  jetson('iluvatar_jetson_rail_power_watts', 'gauge', 'Power of each rail', ['rail'], ({ power }) =>
    power.rails.flatMap(({ name, powerMw }) => known(powerMw, 1e-3, { rail: name })),
  ),
  jetson('iluvatar_jetson_temperature_celsius', 'gauge', 'Temperature by sensor', ['sensor'], ({ temperatures }) =>
    temperatures.flatMap(({ name, tempC }) => known(tempC, 1, { sensor: name })),
  ),
  jetson(
    'iluvatar_jetson_throttled',
    'gauge',
    'What makes the board run slower than it could, by cause; no samples = nothing',
    ['cause'],
    ({ throttledBy }) => throttledBy.map((cause) => ({ labels: { cause }, value: 1 })),
  ),
  jetson(
    'iluvatar_jetson_events_total',
    'counter',
    'Of the monitor: readings, odd lines, restarts of its source, losses of the utilisation, over-current events',
    ['event'],
    ({ counters }) => Object.entries(counters).map(([event, value]) => ({ labels: { event }, value })),
  ),
];

function jetson(
  name: string,
  kind: MetricDefinition['kind'],
  help: string,
  labels: readonly string[],
  samples: (status: JetsonStatus) => Sample[],
): MetricDefinition {
  return { name, kind, help, labels, samples: ({ status }) => (status.jetson === null ? [] : samples(status.jetson)) };
}

/** What is not known has no sample: 0 would be a value. */
function known(value: number | null, factor: number, labels?: Record<string, string>): Sample[] {
  if (value === null) return [];
  return [{ value: value * factor, ...(labels === undefined ? {} : { labels }) }];
}
