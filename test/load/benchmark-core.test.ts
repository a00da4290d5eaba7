import { describe, expect, it } from 'vitest';
import { timingsSchema } from '../../src/config/timings.js';
import { IluvatarError } from '../../src/core/errors.js';
import { readBenchmarkFunctions } from '../../src/load/benchmark/benchmark-functions.js';
import { BenchmarkTimings } from '../../src/load/benchmark/benchmark-timings.js';
import { type BenchmarkFunction, type BenchmarkOptions, runBenchmark } from '../../src/load/benchmark/run-benchmark.js';
import type { LoadRow } from '../../src/results/load-row.js';
import { readBenchmark } from '../../src/traces/benchmark-timings.js';
import { refusal, TestFolder } from '../sim/support/files.js';
import { FakeTarget } from './support/fake-target.js';

const folder = new TestFolder();

function fn(name: string, computes: BenchmarkFunction['computes'] = ['CPU']): BenchmarkFunction {
  return { name, image: '', computes, definition: { source: `/functions/${name}` }, archive: null, args: '{"n":1}' };
}

interface Run {
  readonly target: FakeTarget;
  readonly rows: LoadRow[];
  readonly failed: string[];
  readonly timings: BenchmarkTimings;
}

async function run(
  functions: readonly BenchmarkFunction[],
  options: Partial<BenchmarkOptions> = {},
  target = new FakeTarget(),
): Promise<Run> {
  const rows: LoadRow[] = [];
  const failed: string[] = [];
  const timings = new BenchmarkTimings();
  for (const { name, computes } of functions) for (const compute of computes) timings.expect(name, 'image', compute);
  await runBenchmark({
    functions,
    coldIterations: 2,
    warmIterations: 3,
    runtimeMs: 0,
    clean: false,
    target,
    begins: () => undefined,
    measured: ({ name }, compute, row) => {
      rows.push({ ...row });
      timings.add(name, compute, row);
    },
    failed: ({ name }, compute, error) => failed.push(`${name} ${compute}: ${error.message}`),
    signal: new AbortController().signal,
    ...options,
  });
  return { target, rows, failed, timings };
}

describe('a benchmark', () => {
  it('registers each function on each device anew for each cold invocation, and invokes it in turn', async () => {
    const { target, rows } = await run([fn('a.b', ['CPU', 'GPU']), fn('c')]);
    expect(
      target.registered.map(({ definition }) => [definition.name, definition.version, definition.devices]),
    ).toEqual([
      ['a.b.CPU.0', '0', ['cpu']],
      ['a.b.CPU.1', '1', ['cpu']],
      ['a.b.GPU.0', '0', ['gpu']],
      ['a.b.GPU.1', '1', ['gpu']],
      ['c.CPU.0', '0', ['cpu']],
      ['c.CPU.1', '1', ['cpu']],
    ]);
    expect(rows.length).toBe(6 * 4);
    expect(rows.filter(({ state }) => state === 'cold').length).toBe(6);
    expect(new Set(target.invoked.map(({ args }) => args))).toEqual(new Set(['{"n":1}']));
    // One after the other, on one clock.
    for (const [i, row] of rows.entries()) expect(row.sentUs).toBeGreaterThanOrEqual(rows[i - 1]?.endUs ?? 0);
    // Containers of devices that are not the CPU are removed, since their number is small.
    expect(target.cleaned).toBe(2);
    expect((await run([fn('c')], { clean: true })).target.cleaned).toBe(2);
  });

  it("has lists of the original's names and units", async () => {
    const { timings } = await run([fn('a.b.c')]);
    const { data } = timings.file();
    expect(data['a.b.c']).toMatchObject({ function_name: 'a.b.c', image_name: 'image' });
    const lists = data['a.b.c']?.resource_data['CPU'];
    expect(lists?.cold_results_sec).toEqual([0.25, 0.25]);
    expect(lists?.warm_results_sec).toEqual(Array.from({ length: 6 }, () => 0.25));
    expect(lists?.cold_worker_duration_us).toEqual([301_010, 301_010]);
    expect(lists?.warm_worker_duration_us[0]).toBe(300_010);
    expect(lists?.warm_invoke_duration_us.length).toBe(6);
    expect(lists?.cold_over_results_us.length).toBe(2);
  });

  it('is read back by a simulation, and taken by a registration', async () => {
    const { timings } = await run([fn('a.b.c', ['CPU', 'GPU'])]);
    const file = folder.write('worker_function_benchmarks.json', JSON.stringify(timings.file()));
    expect(readBenchmark(file).get('a.b.c')?.gpu).toMatchObject({
      warmRunUs: Array.from({ length: 6 }, () => 250_000),
      coldRunUs: [250_000, 250_000],
    });
    const taken = timingsSchema.parse(timings.file().data['a.b.c']?.resource_data);
    expect(taken.CPU?.cold_results_sec).toEqual([0.25, 0.25]);
  });

  it("goes by the worker's word where a function says nothing of itself", async () => {
    const target = new FakeTarget();
    target.answer = () => ({ result: '"hello"' });
    const lists = (await run([fn('a')], {}, target)).timings.file().data['a']?.resource_data['CPU'];
    expect(lists?.cold_results_sec).toEqual([0.3, 0.3]);
    expect(lists?.warm_results_sec.length).toBe(6);
  });

  it('keeps failed invocations as rows, and out of the lists', async () => {
    const target = new FakeTarget();
    target.answer = ({ name }) =>
      name.startsWith('bad') ? { outcome: 'user_error', error: 'no', result: null } : null;
    const { rows, timings } = await run([fn('bad'), fn('good')], {}, target);
    expect(rows.filter(({ outcome }) => outcome === 'user_error').length).toBe(8);
    expect(timings.file().data['bad']?.resource_data['CPU']?.cold_invoke_duration_us).toEqual([]);
    expect(timings.file().data['good']?.resource_data['CPU']?.cold_invoke_duration_us.length).toBe(2);
  });

  it('goes on with the next function when one cannot be registered', async () => {
    const target = new FakeTarget();
    target.refusal = ({ definition }) =>
      definition.name.startsWith('bad') ? new IluvatarError('invalid', 'no such folder') : null;
    const { rows, failed } = await run([fn('bad'), fn('good')], {}, target);
    expect(failed).toEqual(['bad CPU: no such folder']);
    expect(rows.length).toBe(8);
  });

  it('runs for a time instead: one registration, at least one invocation', async () => {
    const { target, rows } = await run([fn('a')], { runtimeMs: 20 });
    expect(target.registered.length).toBe(1);
    expect(rows.length).toBeGreaterThan(0);
  });

  it('ends after the invocation during which it is interrupted', async () => {
    const interruption = new AbortController();
    const target = new FakeTarget();
    target.answer = () => {
      if (target.invoked.length === 3) interruption.abort();
      return null;
    };
    const { rows } = await run([fn('a'), fn('b')], { signal: interruption.signal }, target);
    expect(rows.length).toBe(3);
  });
});

describe('the functions of a benchmark as CSV', () => {
  const read = (...lines: string[]): Promise<BenchmarkFunction[]> =>
    readBenchmarkFunctions(folder.write('functions.csv', `${lines.join('\n')}\n`));
  const HEAD = 'name,image_name,compute,isolation,memory,server,args';

  it('has the columns of the original, and the source of ours', async () => {
    const [a, b] = await read(
      `${HEAD},source`,
      'a,docker.io/x/a:1,CPU|GPU,CONTAINERD|DOCKER,128,unix,n=5;text=a b,',
      'b.c,,,,,,"{""n"":5}",b',
    );
    expect(a).toMatchObject({
      image: 'docker.io/x/a:1',
      computes: ['CPU', 'GPU'],
      definition: {
        image: 'docker.io/x/a:1',
        server: 'legacy-socket',
        memoryMb: 128,
        backends: ['containerd', 'docker'],
      },
      args: '{"n":"5","text":"a b"}',
    });
    expect(b).toMatchObject({ name: 'b.c', definition: { source: folder.at('b'), memoryMb: 512 }, args: '{"n":5}' });
  });

  it.each([
    ['a/b,x,,,,,', /line 2, column 1: "a\/b" is not a function name/],
    ['a,,,,,,', /line 2, column 1: a needs an image_name or a source/],
    ['a,x,TPU,,,,', /line 2, column 3: "TPU" is not a compute/],
    ['a,x,,MOON,,,', /line 2, column 4: "MOON" is not an isolation/],
    ['a,x,,,much,,', /line 2, column 5: "much" is not an amount of memory/],
    ['a,x,,,,ftp,', /line 2, column 6: "ftp" is not a server/],
    ['a,x,,,,,{n}', /line 2, column 7: the arguments are not JSON/],
    ['a,x,,,,,n', /line 2, column 7: "n" is neither/],
    ['a,x,,,,,\na,y,,,,,', /line 3, column 1: "a" is there twice/],
    ['', /names no function/],
  ])('%j is refused with its place', async (line, message) => {
    expect(await refusal(() => read(HEAD, line))).toMatch(message);
  });
});
