import type { AsyncCounters } from '../../config/api.js';

/** Metrics of asynchronous invocations, as `WorkerMetrics` registers them. */
export interface AsyncMetric {
  readonly name: string;
  readonly kind: 'counter' | 'gauge';
  readonly help: string;
  samples(counters: AsyncCounters): { value: number; labels?: Record<string, string> }[];
}

const plain = (
  name: string,
  kind: AsyncMetric['kind'],
  help: string,
  value: (counters: AsyncCounters) => number,
): AsyncMetric => ({ name, kind, help, samples: (counters) => [{ value: value(counters) }] });

export const ASYNC_METRICS: readonly AsyncMetric[] = [
  plain('iluvatar_async_accepted_total', 'counter', 'Asynchronous invocations accepted', (c) => c.accepted),
  {
    name: 'iluvatar_async_ended_total',
    kind: 'counter',
    help: 'Asynchronous invocations by how they ended',
    samples: ({ done, failed, dead }) => [
      { labels: { status: 'done' }, value: done },
      { labels: { status: 'failed' }, value: failed },
      { labels: { status: 'dead' }, value: dead },
    ],
  },
  plain('iluvatar_async_retries_total', 'counter', 'Further attempts of asynchronous invocations', (c) => c.retries),
  {
    name: 'iluvatar_async_unfinished',
    kind: 'gauge',
    help: 'Accepted asynchronous invocations that have not ended',
    samples: ({ waiting, running }) => [
      { labels: { state: 'waiting' }, value: waiting },
      { labels: { state: 'running' }, value: running },
    ],
  },
  plain(
    'iluvatar_async_oldest_age_seconds',
    'gauge',
    'How long the oldest unfinished one has been accepted',
    (c) => c.oldestAgeMs / 1000,
  ),
  plain('iluvatar_async_results', 'gauge', 'Kept results', (c) => c.results),
  plain('iluvatar_async_result_bytes', 'gauge', 'Size of kept results', (c) => c.resultBytes),
  plain('iluvatar_async_dead_letters', 'gauge', 'Dead letters', (c) => c.deadLetters),
  plain('iluvatar_async_schedules', 'gauge', 'Schedules', (c) => c.schedules),
  plain('iluvatar_async_webhooks_waiting', 'gauge', 'Webhooks not delivered yet', (c) => c.webhooksWaiting),
  {
    name: 'iluvatar_async_webhooks_total',
    kind: 'counter',
    help: 'Webhooks that were delivered, or given up',
    samples: ({ webhooksDelivered, webhooksFailed }) => [
      { labels: { outcome: 'delivered' }, value: webhooksDelivered },
      { labels: { outcome: 'failed' }, value: webhooksFailed },
    ],
  },
];
