import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWith } from '../../support/requirement.js';
import { Receiver } from '../../worker/async/support/receiver.js';
import { WorkerFixture } from '../../worker/support/worker-fixture.js';
import { OtlpReceiver } from './support/otlp-receiver.js';

/** What functions and webhooks are told of a trace. */

const HEADER = fileURLToPath(new URL('../../../src/agents/binary', import.meta.url));
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CALLER = '00f067aa0ba902b7';
const TRACED = { traceparent: `00-${TRACE}-${CALLER}-01`, tracestate: 'vendor=1' };
const PYTHON = `import os
def main(args):
    return [os.environ.get(name) for name in ("TRACEPARENT", "TRACESTATE")]
`;
const NODE = 'export const main = () => [process.env.TRACEPARENT ?? null, process.env.TRACESTATE ?? null];\n';
const C = `#include "iluvatar.h"
static void handle(const iluvatar_request* request, iluvatar_reply* reply, void* context) {
  char text[128];
  const char* trace = request->traceparent;
  int size = snprintf(text, sizeof text, trace == NULL ? "[null,null]" : "[\\"%s\\",null]", trace);
  iluvatar_reply_result(reply, text, (size_t)size);
}
int main(void) { return iluvatar_serve(handle, NULL); }
`;

describeWith({ root: true, cgroups: true, command: ['python3', 'cc'] }, 'functions in a trace', () => {
  let receiver: OtlpReceiver;
  let fixture: WorkerFixture;

  beforeAll(async () => {
    receiver = await OtlpReceiver.start();
    fixture = await WorkerFixture.start({
      http: { enabled: false },
      sandbox: { stemCells: 1, nodeCells: 1 },
      tracing: { enabled: true, endpoint: receiver.endpoint, intervalMs: 10, sampling: { ratio: 0 } },
    });
    await fixture.python('python', PYTHON);
    await fixture.node('node', NODE);
    await fixture.python('python-many', PYTHON, { concurrency: 4 });
    const binary = fixture.source('binary', { 'main.c': C });
    execFileSync('cc', ['-I', HEADER, '-o', join(binary, 'main'), join(binary, 'main.c')]);
    await fixture.worker.register({ name: 'binary', source: binary });
  });
  afterAll(async () => {
    await fixture?.[Symbol.asyncDispose]();
    await receiver[Symbol.asyncDispose]();
  });

  it.each([
    ['python', 'vendor=1'],
    ['node', 'vendor=1'],
    ['binary', null],
  ])('find their run of it in their environment, or request: %s', async (name, tracestate) => {
    const { result } = await fixture.worker.invoke<[string, string | null]>(name, {}, TRACED);
    const spans = await receiver.take(3);
    const run = spans.find((span) => span.name === 'run');
    expect(run).toMatchObject({ traceId: TRACE });
    expect(result).toEqual([`00-${TRACE}-${run?.spanId}-01`, tracestate]);
    // The next one in the same container is part of another, which is not recorded.
    const next = await fixture.worker.invoke<[string, string | null]>(name, {});
    expect(next.containerState).toBe('warm');
    expect(next.result).toEqual([expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/), null]);
    expect(next.result[0]).not.toContain(TRACE);
  });

  it('find nothing where several run in one process', async () => {
    const { result } = await fixture.worker.invoke('python-many', {}, TRACED);
    expect(result).toEqual([null, null]);
  });
});

describe('asynchronous invocations in a trace', () => {
  it('are accepted, run and told to a webhook in it', async () => {
    await using receiver = await OtlpReceiver.start();
    await using webhooks = await Receiver.start();
    await using fixture = await WorkerFixture.start({
      backends: { process: { enabled: false }, simulated: { enabled: true } },
      defaultBackends: ['simulated'],
      async: { attempts: 2, backOffMs: 1, maxBackOffMs: 1 },
      tracing: { enabled: true, endpoint: receiver.endpoint, intervalMs: 10 },
    });
    const source = fixture.source('f', { 'simulated.json': JSON.stringify({ run: 100 }) });
    await fixture.worker.register({ name: 'f', source });
    const answer = await fetch(`${fixture.worker.httpUrl}/functions/f/1/invoke?async`, {
      method: 'POST',
      headers: { ...TRACED, 'x-iluvatar-webhook': webhooks.url() },
      body: '{}',
    });
    expect([answer.status, await answer.json()]).toEqual([202, expect.anything()]);
    await expect.poll(() => webhooks.received.length, { timeout: 20_000 }).toBe(1);
    const spans = await receiver.take(5);
    const accepted = spans.find(({ name }) => name === 'accept f');
    const run = spans.find(({ name }) => name === 'f');
    expect(accepted).toMatchObject({ traceId: TRACE, parentId: CALLER, kind: 4, tracestate: 'vendor=1' });
    expect(run).toMatchObject({ traceId: TRACE, parentId: accepted?.spanId, kind: 5 });
    expect(run?.attributes['faas.trigger']).toBe('pubsub');
    const { headers } = webhooks.received[0] as (typeof webhooks.received)[0];
    expect([headers['traceparent'], headers['tracestate']]).toEqual([`00-${TRACE}-${accepted?.spanId}-01`, 'vendor=1']);
  });
});
