import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { WatchedHealth, WorkerStatus } from '../../../src/config/api.js';
import type { FunctionGauges, PushCounters } from '../../../src/telemetry/metrics/metric.js';
import { BUCKETS, bucketBound, bucketOf, type ObservedInvocation } from '../../../src/telemetry/metrics/series.js';
import { METRIC_GROUPS, WorkerMetrics } from '../../../src/telemetry/metrics/worker-metrics.js';

const status: WorkerStatus = {
  name: 'w',
  version: '0.1.0',
  uptimeS: 5,
  state: 'running',
  memory: {
    runningMb: 128,
    cachedMb: 256,
    totalMb: 384,
    budgetMb: 1024,
    overshootMb: 32,
    runningContainers: 1,
    cachedContainers: 2,
  },
  cpu: { slots: 2, used: 0.5 },
  running: 2,
  addresses: { http: null, grpc: null },
  host: { cpuPercent: 0, loadPerCore: 0 },
  queue: { length: 3, limit: 100 },
  queues: {
    cpu: { length: 2, expectedUs: 1e6, throughput: 0.5, activeFunctions: 1, policy: null },
    gpu: { length: 1, expectedUs: 2e6, throughput: 0.25, activeFunctions: 1, policy: null },
  },
  starting: 1,
  gpus: [{ index: 0, present: true, containers: 3, running: 1, reservedMb: 64, utilization: 40, held: true }],
  jetson: null,
  backends: { process: { containers: 2, creations: 5, creationsFailed: 1, avoided: 0, cellsReady: 4 } },
  functions: 1,
  async: {
    accepted: 9,
    done: 4,
    failed: 2,
    dead: 1,
    retries: 3,
    waiting: 1,
    running: 1,
    oldestAgeMs: 1500,
    results: 5,
    resultBytes: 640,
    deadLetters: 1,
    schedules: 2,
    webhooksWaiting: 1,
    webhooksDelivered: 6,
    webhooksFailed: 1,
  },
  counters: { containersEvicted: 4, containersRelieved: 1, containersExpired: 2 },
  shards: [{ id: 0, state: 'running', restarts: 1 }],
};
const gauges: FunctionGauges[] = [
  {
    name: 'f',
    version: '1',
    queued: 3,
    running: 1,
    containers: 3,
    memoryMb: 128,
    characteristics: { memoryMb: 40, pageCacheMb: 8 },
  },
];
const fn = (name: string, index: number) => ({ key: `${name}@1`, index, spec: { name, version: '1' } });
const end = (overrides: Partial<ObservedInvocation> = {}): ObservedInvocation => ({
  errorClass: null,
  state: 'warm',
  queueUs: 10,
  startUs: 0,
  runUs: 1000,
  throttledUs: 0,
  attempts: 1,
  ...overrides,
});

/** Series → value, after checking that the text is what a scraper can read. */
async function scrape(metrics: WorkerMetrics): Promise<Map<string, number>> {
  const samples = new Map<string, number>();
  for (const line of (await metrics.text()).split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const match = /^([a-z_][a-z_0-9]*(?:\{[^}]*\})?) (\S+)$/.exec(line);
    expect(match, line).not.toBeNull();
    const [, series, value] = match as unknown as [string, string, string];
    expect(samples.has(series), `${series} twice`).toBe(false);
    samples.set(series, Number(value));
  }
  return samples;
}

describe('buckets', () => {
  it('hold each duration in the smallest bound at or above it', () => {
    const bounds = Array.from({ length: BUCKETS }, (_, i) => Number(bucketBound(i).replace('+Inf', 'Infinity')) * 1e6);
    expect(bounds).toEqual([...bounds].sort((a, b) => a - b));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.nat(300),
          fc.nat(100_000_000),
          fc.maxSafeInteger().filter((n) => n >= 0),
        ),
        (us) => {
          expect(bucketOf(us)).toBe(bounds.findIndex((bound) => Math.round(bound) >= us));
        },
      ),
    );
    for (const bound of bounds.slice(0, -1)) {
      expect(bucketBound(bucketOf(bound))).toBe(String(bound / 1e6));
      expect(bucketOf(bound + 1)).toBe(bucketOf(bound) + 1);
    }
  });
});

describe('metrics', () => {
  const watched: WatchedHealth[] = [
    {
      name: 'shard-0',
      kind: 'thread',
      critical: true,
      state: 'running',
      failing: true,
      restarts: 3,
      causes: { error: 2, hang: 1 },
      lastError: 'boom',
    },
    {
      name: 'memory-sampler',
      kind: 'task',
      critical: false,
      state: 'running',
      failing: false,
      restarts: 1,
      causes: { error: 1 },
      lastError: 'gone',
    },
  ];
  const push: PushCounters[] = [{ sink: 'graphite://g:2003', sent: 5, dropped: 2, waiting: 1, failures: 3 }];
  const source = { status: () => status, functions: () => gauges, watched: () => watched, push: () => push };

  it('count invocations by class and state, and time their phases', async () => {
    const metrics = new WorkerMetrics(source);
    metrics.observe(end({ overheadUs: 150 }), fn('f', 0));
    metrics.observe(end({ runUs: 3000, throttledUs: 2000 }), fn('f', 0));
    metrics.observe(end({ state: 'cold', startUs: 5000 }), fn('f', 0));
    metrics.observe(end({ errorClass: 'timeout', state: null }), fn('f', 0));
    metrics.observe(end({ errorClass: 'not_found', state: null }), null);
    metrics.observe(end({ attempts: 3 }), fn('g', 1));
    const samples = await scrape(metrics);
    const f = 'function="f",version="1"';
    expect(samples.get(`iluvatar_invocations_total{${f},class="ok",state="warm"}`)).toBe(2);
    expect(samples.get(`iluvatar_invocations_total{${f},class="ok",state="cold"}`)).toBe(1);
    expect(samples.get(`iluvatar_invocations_total{${f},class="timeout",state="none"}`)).toBe(1);
    expect(samples.get('iluvatar_invocations_total{function="",version="",class="not_found",state="none"}')).toBe(1);
    expect(samples.get('iluvatar_invocation_retries_total{function="g",version="1"}')).toBe(2);
    expect(samples.get(`iluvatar_invocation_run_seconds_sum{${f}}`)).toBeCloseTo(0.005, 9);
    expect(samples.get(`iluvatar_invocation_run_seconds_count{${f}}`)).toBe(3);
    expect(samples.get(`iluvatar_invocation_run_seconds_bucket{le="0.001024",${f}}`)).toBe(2);
    expect(samples.get(`iluvatar_invocation_run_seconds_bucket{le="+Inf",${f}}`)).toBe(3);
    expect(samples.get(`iluvatar_invocation_overhead_seconds_sum{${f}}`)).toBeCloseTo(0.00015, 9);
    expect(samples.get(`iluvatar_invocation_overhead_seconds_count{${f}}`)).toBe(3);
    expect(samples.get(`iluvatar_invocation_start_seconds_count{${f}}`)).toBe(1);
    expect(samples.get(`iluvatar_invocation_queue_seconds_count{${f}}`)).toBe(4);
    expect(samples.get(`iluvatar_invocation_throttled_seconds_total{${f}}`)).toBeCloseTo(0.002, 9);
  });

  it('show what the worker says of itself', async () => {
    const samples = await scrape(new WorkerMetrics(source));
    expect(samples.get('iluvatar_memory_bytes{state="cached"}')).toBe(256 * 1024 * 1024);
    expect(samples.get('iluvatar_memory_overshoot_bytes')).toBe(32 * 1024 * 1024);
    expect(samples.get('iluvatar_function_memory_used_bytes{function="f",version="1"}')).toBe(40 * 1024 * 1024);
    expect(samples.get('iluvatar_function_page_cache_bytes{function="f",version="1"}')).toBe(8 * 1024 * 1024);
    expect(samples.get('iluvatar_cpu_slots{state="free"}')).toBe(1.5);
    expect(samples.get('iluvatar_function_queued{function="f",version="1"}')).toBe(3);
    expect(samples.get('iluvatar_events_total{event="containersEvicted"}')).toBe(4);
    expect(samples.get('iluvatar_containers_removed_total{reason="evicted"}')).toBe(3);
    expect(samples.get('iluvatar_containers_removed_total{reason="pressure"}')).toBe(1);
    expect(samples.get('iluvatar_containers_removed_total{reason="expired"}')).toBe(2);
    expect(samples.get('iluvatar_memory_total_bytes')).toBe(384 * 1024 * 1024);
    expect(samples.get('iluvatar_invocations_in_progress{state="running"}')).toBe(2);
    expect(samples.get('iluvatar_push_points_dropped_total{sink="graphite://g:2003"}')).toBe(2);
    expect(samples.get('iluvatar_host_cpus')).toBeGreaterThan(0);
    expect(samples.get('iluvatar_host_cpu_seconds_total{mode="idle"}')).toBeGreaterThan(0);
    expect(samples.get('iluvatar_shard_restarts{shard="0"}')).toBe(1);
    expect(samples.get('iluvatar_thread_restarts_total{name="shard-0",cause="error"}')).toBe(2);
    expect(samples.get('iluvatar_thread_restarts_total{name="shard-0",cause="hang"}')).toBe(1);
    expect(samples.get('iluvatar_task_failures_total{name="memory-sampler",cause="error"}')).toBe(1);
    expect(samples.get('iluvatar_supervised_failing{name="shard-0",kind="thread"}')).toBe(1);
    expect(samples.get('iluvatar_supervised_failing{name="memory-sampler",kind="task"}')).toBe(0);
    expect(samples.get('process_resident_memory_bytes')).toBeGreaterThan(1e6);
  });

  it('keep functions apart when the engine gives an index to another, and drop what is forgotten', async () => {
    const metrics = new WorkerMetrics(source);
    metrics.observe(end(), fn('old', 0));
    metrics.observe(end(), fn('new', 0));
    metrics.observe(end(), fn('old', 1));
    const count = async (name: string) =>
      (await scrape(metrics)).get(`iluvatar_invocations_total{function="${name}",version="1",class="ok",state="warm"}`);
    expect([await count('old'), await count('new')]).toEqual([2, 1]);
    metrics.forget(fn('old', 1));
    metrics.forget(fn('old', 0));
    expect([await count('old'), await count('new')]).toEqual([undefined, 1]);
  });

  it('have series for a limited number of functions, and one for all others together', async () => {
    const many = (count: number): FunctionGauges[] =>
      Array.from({ length: count }, (_, i) => ({ ...(gauges[0] as FunctionGauges), name: `f${i}` }));
    const metrics = new WorkerMetrics({ ...source, functions: () => many(5) }, 2);
    for (let i = 0; i < 5; i++) metrics.observe(end(), fn(`f${i}`, i));
    const ends = async () =>
      [...(await scrape(metrics))].filter(([series]) => series.startsWith('iluvatar_invocations_total'));
    const series = (name: string, version: string): string =>
      `iluvatar_invocations_total{function="${name}",version="${version}",class="ok",state="warm"}`;
    expect(await ends()).toEqual([
      [series('f0', '1'), 1],
      [series('f1', '1'), 1],
      [series('other', ''), 3],
    ]);
    const samples = await scrape(metrics);
    expect(samples.get('iluvatar_function_containers{function="other",version=""}')).toBe(9);
    expect(samples.has('iluvatar_function_memory_bytes{function="other",version=""}')).toBe(false);
    // Room for who comes new; who is with the others stays there, and what was counted for them never gets less.
    metrics.forget(fn('f0', 0));
    metrics.observe(end(), fn('f3', 3));
    metrics.observe(end(), fn('late', 0));
    metrics.forget(fn('f4', 4));
    expect(await ends()).toEqual([
      [series('f1', '1'), 1],
      [series('late', '1'), 1],
      [series('other', ''), 4],
    ]);
  });

  it('of functions that have never run take places, too', async () => {
    const idle = ['a', 'b', 'c'].map((name) => ({ ...(gauges[0] as FunctionGauges), name }));
    const samples = await scrape(new WorkerMetrics({ ...source, functions: () => idle }, 1));
    expect(samples.get('iluvatar_function_queued{function="a",version="1"}')).toBe(3);
    expect(samples.get('iluvatar_function_queued{function="other",version=""}')).toBe(6);
    expect([...samples.keys()].filter((key) => key.startsWith('iluvatar_function_queued'))).toHaveLength(2);
  });

  it('are named as Prometheus has it, have the labels that they are said to have, and stand in the documentation', async () => {
    const all = METRIC_GROUPS.flatMap(({ metrics }) => metrics);
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
    for (const { name, kind } of all) {
      expect(name).toMatch(/^(iluvatar|process|nodejs)_[a-z0-9_]+$/);
      expect(name.endsWith('_total'), name).toBe(kind === 'counter');
    }
    const metrics = new WorkerMetrics(source);
    metrics.observe(end({ state: 'cold', startUs: 5 }), fn('f', 0));
    const said = new Map(all.map(({ name, labels }) => [name, new Set<string>(labels)]));
    for (const key of (await scrape(metrics)).keys()) {
      const [, name = '', labels = ''] = /^([^{]+)(?:\{(.*)\})?$/.exec(key) ?? [];
      const known = said.get(name) ?? said.get(name.replace(/_(bucket|sum|count)$/, ''));
      for (const [, label = ''] of labels.matchAll(/([a-z]+)="/g)) {
        if (label !== 'le') expect(known, key).toContain(label);
      }
      expect(known, key).toBeDefined();
    }
    const page = readFileSync(new URL('../../../docs/metrics.md', import.meta.url), 'utf8');
    expect(all.map(({ name }) => name).filter((name) => !page.includes(`| \`${name}\` |`))).toEqual([]);
  });
});
