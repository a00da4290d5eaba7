import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connect } from '../../../src/index.js';
import { rejection, WorkerFixture } from '../../worker/support/worker-fixture.js';
import type { ReceivedSpan } from './support/otlp-messages.js';
import { OtlpReceiver } from './support/otlp-receiver.js';

/** Traces of a worker with simulated containers, as a collector gets them. */

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CALLER = '00f067aa0ba902b7';
const KIND = { internal: 1, server: 2, client: 3 };

describe('traces of invocations', () => {
  let receiver: OtlpReceiver;
  let fixture: WorkerFixture;

  beforeAll(async () => {
    receiver = await OtlpReceiver.start();
    fixture = await WorkerFixture.start({
      backends: { process: { enabled: false }, simulated: { enabled: true } },
      defaultBackends: ['simulated'],
      cpu: { slots: 1 },
      create: { backOffMs: 1, jitter: 0 },
      tracing: {
        enabled: true,
        endpoint: receiver.endpoint,
        intervalMs: 10,
        headers: { 'x-api-key': 'k' },
        attributes: { 'deployment.environment.name': 'test' },
      },
    });
    await simulated('f', { create: 3000, run: 1500, outcomes: { raise: { errorClass: 'user_error', message: 'no' } } });
  });
  beforeEach(() => {
    receiver.spans.length = 0;
  });
  afterAll(async () => {
    await fixture?.[Symbol.asyncDispose]();
    await receiver[Symbol.asyncDispose]();
  });

  async function simulated(name: string, description: object, more: Record<string, unknown> = {}): Promise<void> {
    const source = fixture.source(name, { 'simulated.json': JSON.stringify(description) });
    await fixture.worker.register({ name, source, memoryMb: 64, ...more });
  }

  it('have a span for the whole and one for each phase, that fit into each other', async () => {
    const before = BigInt(Date.now() - 10) * 1_000_000n;
    const { tid, phases } = await fixture.worker.invoke('f', {});
    const spans = await receiver.take(4);
    const [root, queue, create, run] = byName(spans, 'f', 'queue', 'create', 'run');
    expect(spans.length).toBe(4);
    expect([root.kind, queue.kind, create.kind, run.kind]).toEqual([
      KIND.server,
      KIND.internal,
      KIND.internal,
      KIND.client,
    ]);
    expect(root.parentId).toBe('');
    for (const phase of [queue, create, run]) {
      expect([phase.traceId, phase.parentId]).toEqual([root.traceId, root.spanId]);
    }
    expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(4);
    // No gap, and the phases of the answer.
    expect([queue.start, queue.end, create.end, run.end]).toEqual([root.start, create.start, run.start, root.end]);
    expect(Number(queue.end - queue.start) / 1000).toBe(phases.queueUs);
    expect(Number(create.end - create.start) / 1000).toBe(phases.startUs);
    expect(root.start).toBeGreaterThan(before);
    expect(root.end).toBeLessThan(BigInt(Date.now() + 10) * 1_000_000n);
    expect(root.attributes).toMatchObject({
      'faas.name': 'f',
      'faas.version': '1',
      'faas.invocation_id': tid,
      'faas.coldstart': true,
      'faas.trigger': 'other',
      'faas.max_memory': 64 * 1024 * 1024,
      'iluvatar.backend': 'simulated',
      'iluvatar.container.state': 'cold',
      'iluvatar.device': 'cpu',
      'iluvatar.attempts': 1,
    });
    expect(root.attributes['faas.instance']).toMatch(/^test-/);
    expect(run.attributes).toMatchObject({ 'faas.invoked_name': 'f', 'iluvatar.run_us': 1500 });
    expect(root.status.code).toBe(0);
    expect(root.resource).toMatchObject({
      'service.name': 'iluvatar',
      'deployment.environment.name': 'test',
      'process.pid': process.pid,
    });
    expect(receiver.headers.at(-1)).toMatchObject({ 'x-api-key': 'k', 'content-type': 'application/x-protobuf' });
  });

  it('have no span for a creation that did not happen', async () => {
    await fixture.worker.invoke('f', {});
    const spans = await receiver.take(3);
    expect(spans.map(({ name }) => name).sort()).toEqual(['f', 'queue', 'run']);
    expect(spans.find(({ name }) => name === 'f')?.attributes).toMatchObject({
      'faas.coldstart': false,
      'iluvatar.container.state': 'warm',
    });
  });

  it('join the trace of a caller over HTTP, over the unix socket, and of the library', async () => {
    const traceparent = `00-${TRACE}-${CALLER}-01`;
    const headers = { traceparent, tracestate: 'vendor=1,other=2' };
    const url = `${fixture.worker.httpUrl}/functions/f/1/invoke`;
    const answer = await fetch(url, { method: 'POST', headers, body: '{}' });
    expect([answer.status, await answer.text()]).toEqual([200, expect.any(String)]);
    await using client = await connect(fixture.worker.socketPath);
    await client.invoke('f', {}, { traceparent, tid: 'mine' });
    await fixture.worker.invoke('f', {}, { traceparent });
    const roots = (await receiver.take(9)).filter(({ name }) => name === 'f');
    expect(roots.map(({ traceId, parentId }) => [traceId, parentId])).toEqual(Array(3).fill([TRACE, CALLER]));
    expect(roots.map(({ tracestate }) => tracestate)).toEqual(['vendor=1,other=2', '', '']);
    expect(roots.map(({ attributes }) => attributes['faas.trigger'])).toEqual(['http', 'other', 'other']);
    expect(roots[1]?.attributes['faas.invocation_id']).toBe('mine');
  });

  it('are not made where the caller has decided against it, and begin anew where its context is none', async () => {
    await fixture.worker.invoke('f', {}, { traceparent: `00-${TRACE}-${CALLER}-00` });
    await fixture.worker.invoke('f', {}, { traceparent: `00-${'0'.repeat(32)}-${CALLER}-01` });
    const roots = (await receiver.take(3)).filter(({ name }) => name === 'f');
    expect(roots.length).toBe(1);
    expect(roots[0]).toMatchObject({ parentId: '' });
    expect(roots[0]?.traceId).not.toBe('0'.repeat(32));
  });

  it('say how an invocation failed', async () => {
    await rejection(fixture.worker.invoke('f', { do: 'raise' }));
    const [root, run] = byName(await receiver.take(3), 'f', 'run');
    expect(root).toMatchObject({ status: { code: 2, message: 'no' }, attributes: { 'error.type': 'user_error' } });
    expect(run.status).toEqual({ code: 2, message: 'no' });
  });

  it('have the attempts that failed as events', async () => {
    await simulated('unlucky', { create: 100, creationFailures: 1 }, { create: { attempts: 2 } });
    const { message } = await rejection(fixture.worker.invoke('unlucky', {}));
    const [root, queue, create] = byName(await receiver.take(3), 'unlucky', 'queue', 'create');
    expect(root.status).toEqual({ code: 2, message });
    expect(root.events.map(({ name, attributes }) => [name, attributes['iluvatar.attempt']])).toEqual([
      ['creation failed', 1],
      ['creation failed', 2],
    ]);
    for (const { at, attributes } of root.events) {
      expect(at).toBeGreaterThanOrEqual(root.start);
      expect(at).toBeLessThanOrEqual(root.end);
      expect(attributes).toMatchObject({ 'iluvatar.backend': 'simulated' });
    }
    expect([queue.status.code, create.status.code]).toEqual([0, 2]);
  });

  it('are counted', async () => {
    const { counters } = await fixture.worker.status();
    expect(counters['traceSpansSent']).toBeGreaterThan(0);
    expect([counters['tracesDropped'], counters['traceSpansRefused']]).toEqual([0, 0]);
    expect((await fixture.worker.health()).tasks.map(({ name }) => name)).toContain('trace-export');
  });
});

/** One of each name; fails the test where there are more or none. */
function byName<Names extends string[]>(
  spans: ReceivedSpan[],
  ...names: Names
): { [K in keyof Names]: ReceivedSpan } & ReceivedSpan[] {
  return names.map((name) => {
    const found = spans.filter((span) => span.name === name);
    expect(found.length, `spans named ${name} among ${spans.map((span) => span.name)}`).toBe(1);
    return found[0] as ReceivedSpan;
  }) as never;
}
