import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { IluvatarError } from '../../src/core/errors.js';
import { clientCounts } from '../../src/load/scaling/client-counts.js';
import { OriginalStep } from '../../src/load/scaling/original-steps.js';
import { runScaling, type ScalingOutcome, type ScalingPlan } from '../../src/load/scaling/run-scaling.js';
import type { LoadRow } from '../../src/results/load-row.js';
import { TestFolder } from '../sim/support/files.js';
import { FakeTarget } from './support/fake-target.js';

const folder = new TestFolder();

async function run(
  steps: readonly number[],
  options: Partial<ScalingPlan> = {},
  target = new FakeTarget(),
): Promise<{ target: FakeTarget; rows: LoadRow[]; outcome: ScalingOutcome; begun: number }> {
  const rows: LoadRow[] = [];
  let begun = 0;
  const outcome = await runScaling({
    target,
    steps,
    durationUs: 20_000,
    definition: { source: '/functions/hello', memoryMb: 64 },
    archive: null,
    args: '{}',
    shared: false,
    prewarm: true,
    thinkUs: 2000,
    thinking: 'constant',
    warmUpUs: 0,
    processes: 1,
    maxBodyBytes: 1 << 20,
    maxErrorRate: 1,
    lostUs: 1e7,
    seed: 1,
    rows: { row: (row) => void rows.push({ ...row }), backlog: () => null, end: async () => undefined },
    stopSignal: new AbortController().signal,
    giveUpSignal: new AbortController().signal,
    begins: () => void begun++,
    ...options,
  });
  return { target, rows, outcome, begun };
}

describe('a scaling run', () => {
  it('has a function, a container and its own invocations for each client of each step', async () => {
    const { target, rows, outcome, begun } = await run([1, 3]);
    const names = ['scaling-1@0', 'scaling-3@0', 'scaling-3@1', 'scaling-3@2'];
    expect(target.registered.map(({ definition }) => `${definition.name}@${definition.version}`)).toEqual(names);
    expect(target.prewarmed).toEqual(names);
    expect(target.cleaned).toBe(2);
    expect(begun).toBe(1);
    expect(outcome.stopped).toBeNull();
    expect(new Set(rows.map(({ clients }) => clients))).toEqual(new Set([1, 3]));
    for (const { fn, client, clients } of rows) expect(fn).toBe(`scaling-${clients}@${client}`);
    expect(new Set(rows.flatMap(({ clients, client }) => (clients === 3 ? [client] : [])))).toEqual(new Set([0, 1, 2]));
    // One clock: the second step comes after the first.
    const endOfFirst = Math.max(...rows.filter(({ clients }) => clients === 1).map(({ endUs }) => endUs));
    const secondBegins = Math.min(...rows.filter(({ clients }) => clients === 3).map(({ sentUs }) => sentUs));
    expect(secondBegins).toBeGreaterThan(endOfFirst);
    expect(outcome.summary.invocations).toBe(rows.length);
    expect(outcome.summary.steps.map(({ clients }) => clients)).toEqual([1, 3]);
    expect(outcome.steps.map(({ registrations }) => registrations.length)).toEqual([1, 3]);
    expect(outcome.steps.map(({ outcome: { summary } }) => summary.invocations)).toEqual(
      [1, 3].map((n) => rows.filter(({ clients }) => clients === n).length),
    );
  });

  it('has one function for all, when it is shared', async () => {
    const { target, rows } = await run([3], { shared: true });
    expect(target.registered.length).toBe(1);
    expect(target.prewarmed).toEqual(Array.from({ length: 3 }, () => 'scaling-3@0'));
    expect(new Set(rows.map(({ client }) => client))).toEqual(new Set([0, 1, 2]));
  });

  it('prewarms nothing, when it is told so', async () => {
    expect((await run([2], { prewarm: false })).target.prewarmed).toEqual([]);
  });

  it('keeps failed invocations as records, and counts them', async () => {
    const target = new FakeTarget();
    target.answer = () => ({ outcome: 'user_error', error: 'no', result: null });
    const { rows, outcome } = await run([1], {}, target);
    expect(rows.length).toBeGreaterThan(0);
    expect(outcome.summary.failed).toBe(rows.length);
  });

  it('keeps the steps before one that cannot begin, and says which', async () => {
    const target = new FakeTarget();
    target.refusal = ({ definition }) =>
      definition.name === 'scaling-2' ? new IluvatarError('overloaded', 'no room') : null;
    const { rows, outcome } = await run([1, 2, 3], {}, target);
    expect(outcome.stopped).toMatchObject({ text: expect.stringMatching(/step of 2 clients: .*no room/) });
    expect(new Set(rows.map(({ clients }) => clients))).toEqual(new Set([1]));
    target.refusal = () => new IluvatarError('overloaded', 'no room');
    await expect(run([1], {}, target)).rejects.toMatchObject({ errorClass: 'overloaded' });
  });

  it('makes no further step once it is interrupted', async () => {
    const interruption = new AbortController();
    const target = new FakeTarget();
    target.answer = ({ name }) => {
      if (name === 'scaling-2') interruption.abort();
      return null;
    };
    const { outcome } = await run([1, 2, 3], { stopSignal: interruption.signal }, target);
    expect(outcome.stopped?.kind).toBe('interrupted');
    expect(outcome.steps.map(({ clients }) => clients)).toEqual([1, 2]);
  });
});

describe('numbers of clients', () => {
  it.each([
    ['4', [4]],
    ['1..4', [1, 2, 3, 4]],
    ['8,2,2,1', [1, 2, 8]],
    ['1,2,4,...,64', [1, 2, 4, 8, 16, 32, 64]],
    ['1,2,4,…,50', [1, 2, 4, 8, 16, 32, 50]],
    ['2,5,...,14', [2, 5, 8, 11, 14]],
    ['1..3,10', [1, 2, 3, 10]],
  ])('%s', (text, counts) => {
    expect(clientCounts(text)).toEqual(counts);
  });

  it.each(['', '0', '1,', 'x', '-1', '1..', '...,4', '1,...,4', '4,2,...,64', '1,2,...', '5000', '4..1'])(
    '%j is none',
    (text) => {
      expect(clientCounts(text)).toBeNull();
    },
  );
});

describe('a step as the original writes it', () => {
  const row = (client: number, outcome: string): LoadRow => ({
    tid: `t${client}`,
    fn: `scaling-2@${client}`,
    arrivalUs: 1000,
    sentUs: 1000,
    queueUs: 5,
    startUs: 1100,
    endUs: 2_001_000,
    device: '',
    container: 0,
    state: 'warm',
    attempts: 1,
    outcome,
    createUs: 0,
    runUs: 1_900_000,
    codeUs: 1_800_000,
    codeCold: 0,
    worker: 'w',
    backend: '',
    client,
    clients: 2,
    error: outcome === 'ok' ? '' : 'broken',
    cpuUs: -1,
    energyUj: -1,
  });

  it("has each client's invocations and registration, and what failed as a record and as an error", async () => {
    const file = folder.at('2.json');
    const step = new OriginalStep(file, 2);
    for (const [client, outcome] of [
      [0, 'ok'],
      [1, 'ok'],
      [1, 'user_error'],
    ] as const)
      step.row(row(client, outcome), 1e15);
    await step.end([
      { name: 'scaling-2', version: '1', durationUs: 70, error: null },
      { name: 'scaling-2', version: '0', durationUs: 50, error: null },
    ]);
    const clients = JSON.parse(readFileSync(file, 'utf8'));
    expect(clients).toMatchObject([
      { thread_id: 0, registration: { duration_us: 50 }, errors: [], data: [{ function_version: '0' }] },
      { thread_id: 1, registration: { duration_us: 70 }, errors: ['user_error: broken'] },
    ]);
    expect(
      clients[1].data.map((item: { worker_response: { success: boolean } }) => item.worker_response.success),
    ).toEqual([true, false]);
    expect(clients[0].data[0]).toMatchObject({
      worker_response: { success: true, duration_us: 1_900_005, compute: 1, container_state: 4 },
      function_output: { body: { cold: false, latency: 1.8 } },
      client_latency_us: 2_000_000,
      function_name: 'scaling-2',
      invoke_start: '2001-09-09T01:46:40.001000Z',
    });
    expect(readdirSync(folder.path).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('is whole also when nothing was invoked', async () => {
    const file = folder.at('1.json');
    await new OriginalStep(file, 1).end([]);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual([
      { thread_id: 0, registration: { duration_us: 0, result: null }, errors: [], data: [] },
    ]);
  });
});
