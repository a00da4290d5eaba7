import type { WatchedHealth } from '../../config/api.js';
import type { MetricDefinition, PushCounters, Sample, Scrape } from './metric.js';

/** Of the worker's parts: backends, threads and background tasks, servers that metrics are pushed to. */

/** Of a backend, and metrics of their own. */
const ENGINE_COUNTERS = new Set(['containers', 'creations', 'creationsFailed', 'avoided']);

export const BACKEND_METRICS: readonly MetricDefinition[] = [
  backend('iluvatar_backend_containers', 'gauge', 'Containers in any phase', 'containers'),
  backend('iluvatar_backend_creations_total', 'counter', 'Containers that were begun', 'creations'),
  backend('iluvatar_backend_creation_failures_total', 'counter', 'Of these, those that failed', 'creationsFailed'),
  backend('iluvatar_backend_avoided', 'gauge', 'Whether others are preferred after failures in a row', 'avoided'),
  {
    name: 'iluvatar_backend_events_total',
    kind: 'counter',
    help: "The backend's own counters by name",
    labels: ['backend', 'event'],
    samples: ({ status }) =>
      Object.entries(status.backends).flatMap(([backend, counters]) =>
        Object.entries(counters)
          .filter(([event]) => !ENGINE_COUNTERS.has(event))
          .map(([event, value]) => ({ labels: { backend, event }, value })),
      ),
  },
];

export const SUPERVISION_METRICS: readonly MetricDefinition[] = [
  ends('iluvatar_thread_restarts_total', 'thread', 'Threads started again, by what ended them'),
  ends('iluvatar_task_failures_total', 'task', 'Failures of background tasks, by cause'),
  {
    name: 'iluvatar_supervised_failing',
    kind: 'gauge',
    help: 'Whether a thread or task keeps failing',
    labels: ['name', 'kind'],
    samples: ({ watched }) =>
      watched.map(({ name, kind, failing }) => ({ labels: { name, kind }, value: failing ? 1 : 0 })),
  },
];

export const PUSH_METRICS: readonly MetricDefinition[] = [
  push('iluvatar_push_points_sent_total', 'counter', 'Points that the server has taken', ({ sent }) => sent),
  push(
    'iluvatar_push_points_dropped_total',
    'counter',
    'Points that were given up: the buffer was full, or the server refuses them',
    ({ dropped }) => dropped,
  ),
  push('iluvatar_push_points_waiting', 'gauge', 'Points in the buffer', ({ waiting }) => waiting),
  push('iluvatar_push_failures_total', 'counter', 'Attempts to send that failed', ({ failures }) => failures),
];

function backend(name: string, kind: MetricDefinition['kind'], help: string, counter: string): MetricDefinition {
  const samples = ({ status }: Scrape): Sample[] =>
    Object.entries(status.backends).map(([backend, counters]) => ({
      labels: { backend },
      value: counters[counter] ?? 0,
    }));
  return { name, kind, help, labels: ['backend'], samples };
}

function ends(name: string, kind: WatchedHealth['kind'], help: string): MetricDefinition {
  const samples = ({ watched }: Scrape): Sample[] =>
    watched
      .filter((one) => one.kind === kind)
      .flatMap(({ name, causes }) =>
        Object.entries(causes).map(([cause, value]) => ({ labels: { name, cause }, value })),
      );
  return { name, kind: 'counter', help, labels: ['name', 'cause'], samples };
}

function push(
  name: string,
  kind: MetricDefinition['kind'],
  help: string,
  value: (counters: PushCounters) => number,
): MetricDefinition {
  const samples = ({ push }: Scrape): Sample[] =>
    push.map((one) => ({ labels: { sink: one.sink }, value: value(one) }));
  return { name, kind, help, labels: ['sink'], samples };
}
