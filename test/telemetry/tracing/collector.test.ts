import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../../support/requirement.js';
import { needsGo } from '../../support/toolchain.js';
import { rejection, WorkerFixture } from '../../worker/support/worker-fixture.js';
import { buildCollector, Collector, type JsonAttribute } from './support/collector.js';

/** What a worker sends, as a real collector of OpenTelemetry understands it. */

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CALLER = '00f067aa0ba902b7';
const BUILD_LIMIT_MS = 600_000;

describeWith({ condition: needsGo() }, 'a collector of OpenTelemetry', () => {
  let collector: Collector;
  let fixture: WorkerFixture;

  beforeAll(async () => {
    collector = await Collector.start(await buildCollector());
    fixture = await WorkerFixture.start({
      name: 'collected',
      http: { enabled: false },
      backends: { process: { enabled: false }, simulated: { enabled: true } },
      defaultBackends: ['simulated'],
      tracing: { enabled: true, endpoint: collector.endpoint, intervalMs: 10, compression: 'gzip' },
    });
    const outcomes = { raise: { errorClass: 'user_error', message: 'no such colour' } };
    const source = fixture.source('f', { 'simulated.json': JSON.stringify({ create: 2000, run: 1000, outcomes }) });
    await fixture.worker.register({ name: 'f', source });
  }, BUILD_LIMIT_MS);
  afterAll(async () => {
    await fixture?.[Symbol.asyncDispose]();
    await collector?.[Symbol.asyncDispose]();
  });

  it('takes spans, their attributes, states and contexts', async () => {
    const before = BigInt(Date.now() - 10) * 1_000_000n;
    const context = { traceparent: `00-${TRACE}-${CALLER}-01`, tracestate: 'vendor=1' };
    const { tid, phases } = await fixture.worker.invoke('f', {}, context);
    await rejection(fixture.worker.invoke('f', { do: 'raise' }));
    await expect.poll(() => collector.spans().length, { timeout: 20_000 }).toBe(7);
    const spans = collector.spans();
    const traced = spans.filter(({ traceId }) => traceId === TRACE);
    expect(traced.map(({ name }) => name).sort()).toEqual(['create', 'f', 'queue', 'run']);
    const root = traced.find(({ name }) => name === 'f');
    expect(root).toMatchObject({ parentSpanId: CALLER, kind: 2, traceState: 'vendor=1', flags: 1 });
    expect(plain(root?.attributes)).toMatchObject({
      'faas.name': 'f',
      'faas.coldstart': true,
      'faas.invocation_id': tid,
      'faas.max_memory': '134217728',
    });
    const create = traced.find(({ name }) => name === 'create');
    const [start, end] = [BigInt(create?.startTimeUnixNano ?? 0), BigInt(create?.endTimeUnixNano ?? 0)];
    expect(start).toBeGreaterThan(before);
    expect(Number(end - start) / 1000).toBe(phases.startUs);
    const failed = spans.find(({ name, traceId }) => name === 'f' && traceId !== TRACE);
    expect(failed).toMatchObject({ status: { code: 2, message: 'no such colour' } });
    expect(failed?.parentSpanId ?? '').toBe('');
    const [{ resource, scopeSpans } = { resource: { attributes: [] }, scopeSpans: [] }] = collector.received();
    expect(plain(resource.attributes)).toMatchObject({
      'service.name': 'iluvatar',
      'service.instance.id': expect.stringMatching(/^collected@/),
      'process.pid': String(process.pid),
    });
    expect(scopeSpans[0]?.scope.name).toBe('iluvatar');
    const { counters } = await fixture.worker.status();
    expect([counters['traceSpansSent'], counters['traceSpansRefused']]).toEqual([7, 0]);
  });
});

function plain(attributes: readonly JsonAttribute[] = []): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
