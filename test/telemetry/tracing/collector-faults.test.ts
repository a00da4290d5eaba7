import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tracingSection } from '../../../src/config/sections/tracing.js';
import { OtlpEncoder } from '../../../src/telemetry/tracing/otlp-encoder.js';
import type { Span } from '../../../src/telemetry/tracing/span.js';
import { type Exportable, SpanExporter } from '../../../src/telemetry/tracing/span-exporter.js';
import { BackgroundTask } from '../../../src/worker/supervision/background-task.js';
import { Watched } from '../../../src/worker/supervision/watched.js';
import { OtlpReceiver } from './support/otlp-receiver.js';

/** A collector that is down, slow, full, wrong, and back again. */

interface Item extends Exportable {
  readonly span: Span;
}

const POLL = { timeout: 20_000 };
const RESTART = { firstMs: 5, longestMs: 20, settledMs: 60_000, limit: 5, windowMs: 60_000 };
const encoder = new OtlpEncoder([['service.name', 'test']], { name: 'test', version: '1' });

function item(name: string): Item {
  const common = { parentId: '', tracestate: '', kind: 1, attributes: [], events: [], error: null };
  const ids = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) };
  return { spans: 1, span: { ...common, ...ids, name, startUs: 1_795_902_131_947_853, endUs: 1_795_902_131_968_790 } };
}

describe('a collector', () => {
  let receiver: OtlpReceiver;
  let exporter: SpanExporter<Item>;
  let watched: Watched;

  beforeEach(async () => {
    receiver = await OtlpReceiver.start();
  });
  afterEach(async () => {
    await exporter?.close();
    await receiver[Symbol.asyncDispose]();
  });

  function start(settings: Record<string, unknown> = {}): void {
    const log = pino({ level: 'silent' });
    const now = () => performance.now();
    watched = new Watched({ name: 'trace-export', kind: 'task', critical: false, restart: RESTART, log, now });
    exporter = new SpanExporter<Item>({
      settings: tracingSection.parse({
        endpoint: receiver.endpoint,
        intervalMs: 10,
        bufferSpans: 64,
        batchSpans: 8,
        stopMs: 200,
        ...settings,
      }),
      task: new BackgroundTask(watched),
      log,
      encode: (items) => encoder.encode(items.map(({ span }) => span)),
    });
  }

  const names = () => receiver.spans.map(({ name }) => name);
  const counter = (name: string) => exporter.counters()[name];

  it('gets times to the nanosecond, and the resource', async () => {
    start();
    exporter.add(item('one'));
    const [span] = await receiver.take(1);
    expect([span?.start, span?.end]).toEqual([1_795_902_131_947_853_000n, 1_795_902_131_968_790_000n]);
    expect(span?.resource).toEqual({ 'service.name': 'test' });
  });

  it('gets compressed requests where that is wanted', async () => {
    start({ compression: 'gzip' });
    exporter.add(item('one'));
    await receiver.take(1);
    expect(receiver.headers[0]?.['content-encoding']).toBe('gzip');
  });

  it('that is down is tried again, keeps nobody, and gets the latest when it is back', async () => {
    const { port } = receiver;
    await receiver[Symbol.asyncDispose]();
    start();
    for (let i = 0; i < 100; i++) exporter.add(item(String(i)));
    // Two are in the batch that is on its way again and again; sixteen have room.
    await expect.poll(() => watched.health().restarts, POLL).toBeGreaterThanOrEqual(2);
    expect(watched.health().lastError).toContain('ECONNREFUSED');
    expect(counter('tracesDropped')).toBeGreaterThanOrEqual(82);
    receiver = await OtlpReceiver.start(port);
    await expect.poll(() => names().includes('99'), POLL).toBe(true);
    expect(counter('tracesDropped')).toBe(100 - names().length);
    expect(watched.health().state).toBe('running');
  });

  it('that takes too long has failed, and gets the same spans again', async () => {
    start({ timeoutMs: 30 });
    receiver.answers = [() => undefined];
    exporter.add(item('one'));
    await receiver.take(1);
    expect([receiver.requests, watched.health().restarts]).toEqual([2, 1]);
  });

  it.each([429, 502, 503, 504])('that answers %i gets the same spans again', async (status) => {
    start();
    receiver.answers = [(response) => response.writeHead(status).end()];
    exporter.add(item('one'));
    expect((await receiver.take(1)).map(({ name }) => name)).toEqual(['one']);
    expect(watched.health().lastError).toContain(String(status));
  });

  it('is left alone for as long as it says, however much there is to send', async () => {
    start();
    const order: string[] = [];
    receiver.answers = [
      (response) => {
        order.push('first');
        setTimeout(() => order.push('time is up'), 190);
        response.writeHead(503, { 'retry-after': '0.2' }).end();
      },
      (response) => {
        order.push('second');
        response.writeHead(200).end();
      },
    ];
    exporter.add(item('one'));
    await expect.poll(() => watched.health().restarts, POLL).toBe(1);
    for (let i = 0; i < 8; i++) exporter.add(item('more'));
    await expect.poll(() => order, POLL).toEqual(['first', 'time is up', 'second']);
  });

  it.each([400, 401, 404, 500])('that answers %i is not asked again with the same', async (status) => {
    start();
    receiver.answers = [(response) => response.writeHead(status).end()];
    exporter.add(item('refused'));
    await expect.poll(() => counter('traceSpansRefused'), POLL).toBe(1);
    exporter.add(item('next'));
    expect((await receiver.take(1)).map(({ name }) => name)).toEqual(['next']);
    expect(watched.health().restarts).toBe(0);
  });

  it('may refuse a part, and say why', async () => {
    start();
    // partial_success { rejected_spans: 2, error_message: "no" }
    const partial = Buffer.from([0x0a, 0x06, 0x08, 0x02, 0x12, 0x02, 0x6e, 0x6f]);
    receiver.answers = [(response) => response.writeHead(200).end(partial)];
    for (const name of ['a', 'b']) exporter.add(item(name));
    await expect.poll(() => counter('traceSpansRefused'), POLL).toBe(2);
    expect(counter('traceSpansSent')).toBe(0);
  });

  it('may answer with nonsense, or cut the connection', async () => {
    start();
    receiver.answers = [
      (response) => response.destroy(),
      (response) => response.writeHead(200).end('x'.repeat(100_000)),
    ];
    exporter.add(item('one'));
    await expect.poll(() => counter('traceSpansSent'), POLL).toBe(1);
    expect(receiver.requests).toBe(2);
  });

  it('gets what is left at the end, and does not hold it up', async () => {
    start({ intervalMs: 60_000 });
    exporter.add(item('last'));
    await exporter.close();
    expect(names()).toEqual(['last']);
    start({ intervalMs: 60_000, stopMs: 50 });
    receiver.answers = [() => undefined];
    exporter.add(item('lost'));
    await exporter.close();
    expect(names()).toEqual(['last']);
    expect(counter('traceSpansSent')).toBe(0);
  });

  it('gets batches: one request is not one span', async () => {
    start({ bufferSpans: 4096, batchSpans: 400, intervalMs: 60_000 });
    for (let i = 0; i < 250; i++) exporter.add(item(String(i)));
    await receiver.take(200);
    expect(receiver.requests).toBe(2);
    await exporter.close();
    expect(counter('traceSpansSent')).toBe(250);
  });
});
