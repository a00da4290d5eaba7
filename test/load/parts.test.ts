import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  loadFunctionsOf,
  SAMPLE_FUNCTIONS,
  type TraceFunctionOptions,
} from '../../src/load/functions/trace-functions.js';
import { openLoadTrace } from '../../src/load/load-trace.js';
import { prepareFunctions } from '../../src/load/prepare.js';
import { type RowBatch, RowBatcher, unpackRows } from '../../src/load/processes/row-batch.js';
import type { LoadRow } from '../../src/results/load-row.js';
import { UNSCALED } from '../../src/traces/scaled-trace.js';
import { TestFolder } from '../sim/support/files.js';
import { FakeTarget } from './support.js';

const folder = new TestFolder();
const trace = folder.write('trace.csv', 'func_name,invoke_time_ms\na,10\na,20\n');

const OPTIONS: TraceFunctionOptions = {
  type: 'functions',
  simulated: false,
  busy: 0.5,
  holdsMemory: true,
  timeoutMs: 5000,
  functionsFolder: SAMPLE_FUNCTIONS,
  temporaryFolder: folder.path,
  overheadMb: 50,
};

/** One function of the table, as it is registered. */
async function made(columns: string, cells: string, options: Partial<TraceFunctionOptions> = {}, benchmark?: string) {
  const functions = folder.write('functions.csv', `func_name,mem_mb,warm_dur_ms,cold_dur_ms${columns}\n${cells}\n`);
  const { functions: all } = await openLoadTrace({ trace, functions, benchmark });
  const { prepared, loaded } = loadFunctionsOf(all, { ...OPTIONS, ...options });
  return { definition: prepared[0]?.definition, args: JSON.parse(loaded[0]?.args ?? 'null') };
}

describe('functions of a trace, live', () => {
  const timings = {
    warm_results_sec: [0.01],
    cold_results_sec: [0.02],
    cold_worker_duration_us: [50_000],
    warm_worker_duration_us: [11_000],
  };
  const benchmark = folder.write(
    'benchmark.json',
    JSON.stringify({ data: { float_operation: { resource_data: { CPU: timings } } } }),
  );

  it('are the image of the table, on its backends', async () => {
    const { definition, args } = await made(
      ',image_name,isolation,server,args',
      'a,100,10,30,docker.io/me/a:1,CONTAINERD|DOCKER,unix-socket,n=3;s=text',
    );
    expect(definition).toMatchObject({
      image: 'docker.io/me/a:1',
      backends: ['containerd', 'docker'],
      server: 'legacy-socket',
    });
    expect(args).toEqual({ n: 3, s: 'text' });
  });

  it('are the source of the benchmark that stands for them, registered with its times', async () => {
    const { definition } = await made('', 'a,100,10,30', {}, benchmark);
    expect(definition?.source).toBe(join(SAMPLE_FUNCTIONS, 'float_operation'));
    expect(definition?.timings).toMatchObject({ CPU: timings });
  });

  it('are refused when there is nothing to run for them', async () => {
    await expect(made('', 'a,100,10,30')).rejects.toMatchObject({
      errorClass: 'invalid',
      message: expect.stringContaining('float_operation'),
    });
  });

  it('are synthetic: made in what is cold beyond warm, and run in their warm time', async () => {
    const { definition, args } = await made('', 'a,100,10,30', { type: 'lookbusy' });
    expect(definition).toMatchObject({ env: { LOOKBUSY_INIT_MS: '20' }, memoryMb: 100, timeoutMs: 5000 });
    expect(args).toMatchObject({ warm_run_ms: 10, cold_run_ms: 10, busy: 0.5, mem_mb: 50 });
    expect((await made(',use_lookbusy', 'a,100,10,30,true')).args).toMatchObject({ warm_run_ms: 10 });
  });

  it('are described to the simulated backend', async () => {
    const { definition } = await made('', 'a,100,10,30', { simulated: true });
    const file = join(definition?.source as string, 'simulated.json');
    expect(existsSync(file)).toBe(true);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
      create: { cpu: 20_000, gpu: 20_000 },
      run: { cpu: 10_000, gpu: 10_000 },
    });
  });

  it('are scaled alike for live and simulated loads', async () => {
    const functions = folder.write('scaled.csv', 'func_name,mem_mb,warm_dur_ms,cold_dur_ms\na,100,10,3010\n');
    const scale = { ...UNSCALED, time: 2, warm: 0.5, cold: 0.01, coldMaxUs: 20_000, memoryExtraMb: 50 };
    const scaled = await openLoadTrace({ trace, functions, scale });
    expect(scaled.functions[0]).toMatchObject({ warmUs: 5000, coldUs: 25_000, memoryMb: 150 });
    for await (const { count, atUs } of scaled.arrivals())
      expect([...atUs.subarray(0, count)]).toEqual([20_000, 40_000]);
    await expect(openLoadTrace({ trace, functions, scale: { ...UNSCALED, time: 0 } })).rejects.toMatchObject({
      errorClass: 'invalid',
    });
  });
});

describe('preparing', () => {
  const fn = (name: string, prewarms: number) => ({ definition: { name, source: '/f' }, archive: null, prewarms });

  it('tries a container three times, and names the function that cannot be prepared', async () => {
    let tries = 0;
    const target = new FakeTarget();
    target.prewarm = async () => {
      if (++tries % 3 !== 0) throw Object.assign(new Error('not now'), { errorClass: 'unavailable' });
    };
    const seen: string[] = [];
    await prepareFunctions(target, [fn('a', 2), fn('b', 0)], {
      prewarmings: 1,
      progress: (done, all, what) => seen.push(`${done}/${all} ${what}`),
    });
    expect([tries, seen.at(-1)]).toEqual([6, '2/2 prewarmed']);
    const { IluvatarError } = await import('../../src/core/errors.js');
    target.register = async () => {
      throw new IluvatarError('conflict', 'another is there');
    };
    await expect(prepareFunctions(target, [fn('a', 0)])).rejects.toMatchObject({
      errorClass: 'conflict',
      message: 'a@1 cannot be registered: another is there',
    });
  });
});

describe('rows between processes', () => {
  it('come through as they were, in batches', () => {
    const row = (i: number): LoadRow => ({
      tid: `t${i}`,
      fn: 'f@1',
      arrivalUs: i,
      queueUs: -1,
      startUs: 2 ** 40 + i,
      endUs: 3,
      device: 'cpu',
      container: 4,
      state: '',
      attempts: 5,
      outcome: 'ok',
      sentUs: 6,
      createUs: 7,
      runUs: 8,
      codeUs: 9,
      codeCold: 1,
      worker: 'w',
      backend: 'b',
      client: 10,
      clients: 11,
      error: 'é',
      cpuUs: 12,
      energyUj: 2 ** 41 + i,
    });
    const batches: RowBatch[] = [];
    const batcher = new RowBatcher(3, (batch) => batches.push(structuredClone(batch)));
    const sent = Array.from({ length: 7 }, (_, i) => row(i));
    for (const each of sent) batcher.row(each);
    batcher.flush();
    batcher.flush();
    const got: LoadRow[] = [];
    for (const batch of batches) unpackRows(batch, { row: (each) => got.push({ ...each }) });
    expect([batches.length, got]).toEqual([3, sent]);
  });
});
