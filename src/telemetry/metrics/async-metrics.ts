import type { AsyncCounters } from '../../config/api.js';
import type { MetricDefinition } from './metric.js';

/** Of asynchronous invocations. */

const plain = (
  name: string,
  kind: MetricDefinition['kind'],
  help: string,
  value: (counters: AsyncCounters) => number,
): MetricDefinition => ({ name, kind, help, labels: [], samples: ({ status }) => [{ value: value(status.async) }] });

export const ASYNC_METRICS: readonly MetricDefinition[] = [
  plain('iluvatar_async_accepted_total', 'counter', 'Asynchronous invocations accepted', (c) => c.accepted),
  {
    name: 'iluvatar_async_ended_total',
    kind: 'counter',
    help: 'Asynchronous invocations by how they ended',
    labels: ['status'],
    samples: ({ status: { async } }) => [
      { labels: { status: 'done' }, value: async.done },
      { labels: { status: 'failed' }, value: async.failed },
      { labels: { status: 'dead' }, value: async.dead },
    ],
  },
  plain('iluvatar_async_retries_total', 'counter', 'Further attempts of asynchronous invocations', (c) => c.retries),
  {
    name: 'iluvatar_async_unfinished',
    kind: 'gauge',
    help: 'Accepted asynchronous invocations that have not ended',
    labels: ['state'],
    samples: ({ status: { async } }) => [
      { labels: { state: 'waiting' }, value: async.waiting },
      { labels: { state: 'running' }, value: async.running },
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
    labels: ['outcome'],
    samples: ({ status: { async } }) => [
      { labels: { outcome: 'delivered' }, value: async.webhooksDelivered },
      { labels: { outcome: 'failed' }, value: async.webhooksFailed },
    ],
  },
];
