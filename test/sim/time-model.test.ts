import { describe, expect, it } from 'vitest';
import { readMeasuredRuns } from '../../src/sim/measured-runs.js';
import { ConstantTimes, LogNormalTimes, MeasuredTimes } from '../../src/sim/time-model.js';
import { ArrayTrace } from '../../src/traces/array-trace.js';
import type { TraceFunction, TraceFunctionInput } from '../../src/traces/trace-source.js';
import { TestFolder } from './support/files.js';

function fn(over: Partial<TraceFunctionInput> = {}): TraceFunction {
  const trace = new ArrayTrace([{ name: 'f', memoryMb: 100, warmUs: 10_000, coldUs: 110_000, ...over }], []);
  return trace.functions[0] as TraceFunction;
}

const folder = new TestFolder();

describe('constant times', () => {
  const times = new ConstantTimes();

  it('create for what a cold invocation takes beyond a warm one, and run for the warm time', () => {
    expect(times.creationUs(fn(), 'cpu')).toBe(100_000);
    expect(times.runUs(fn(), 'cpu')).toBe(10_000);
  });

  it('take the GPU times on a GPU, and those of the CPU where there are none', () => {
    const both = fn({ gpuWarmUs: 1000, gpuColdUs: 501_000 });
    expect([times.creationUs(both, 'gpu'), times.runUs(both, 'gpu')]).toEqual([500_000, 1000]);
    expect([times.creationUs(fn(), 'gpu'), times.runUs(fn(), 'gpu')]).toEqual([100_000, 10_000]);
  });

  it('never create in less than no time', () => {
    expect(times.creationUs(fn({ coldUs: 5000 }), 'cpu')).toBe(0);
  });
});

describe('log-normal times', () => {
  const sample = (sigma: number, seed: number): number[] => {
    const times = new LogNormalTimes(sigma, seed);
    return Array.from({ length: 4000 }, (_, i) => times.runUs(fn(), 'cpu', 'warm', i + 1));
  };

  it('keep the mean of the trace and spread as sigma says', () => {
    const all = sample(0.5, 1);
    const logs = all.map((us) => Math.log(us));
    const mean = logs.reduce((sum, x) => sum + x, 0) / logs.length;
    const deviation = Math.sqrt(logs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / logs.length);
    expect(all.reduce((sum, us) => sum + us, 0) / all.length / 10_000).toBeCloseTo(1, 1);
    expect(deviation).toBeCloseTo(0.5, 1);
    expect(all.every((us) => Number.isInteger(us))).toBe(true);
  });

  it('belong to the invocation and the seed, not to the order of asking', () => {
    const times = new LogNormalTimes(0.5, 1);
    const backwards = Array.from({ length: 4000 }, (_, i) => times.runUs(fn(), 'cpu', 'warm', 4000 - i));
    expect(backwards.reverse()).toEqual(sample(0.5, 1));
    expect(sample(0.5, 2)).not.toEqual(sample(0.5, 1));
  });

  it('are constant without a sigma, and refuse one that is none', () => {
    expect(new Set(sample(0, 1))).toEqual(new Set([10_000]));
    expect(() => new LogNormalTimes(-1, 0)).toThrow(/sigma/);
  });
});

describe('measured times', () => {
  const timings = {
    warmRunUs: [11, 12, 13],
    coldRunUs: [30, 40],
    warmTotalUs: [],
    coldTotalUs: [130, 240, 999],
  };
  const times = new MeasuredTimes((_, device) => (device === 'cpu' ? timings : null), 5);
  const ids = Array.from({ length: 200 }, (_, i) => i);

  it('draw each of what was measured, by state', () => {
    expect(new Set(ids.map((id) => times.runUs(fn(), 'cpu', 'warm', id)))).toEqual(new Set([11, 12, 13]));
    expect(new Set(ids.map((id) => times.runUs(fn(), 'cpu', 'prewarm', id)))).toEqual(new Set([11, 12, 13]));
    expect(new Set(ids.map((id) => times.runUs(fn(), 'cpu', 'cold', id)))).toEqual(new Set([30, 40]));
  });

  it('create for the total of a cold invocation less its run, of the same invocation', () => {
    expect(new Set(ids.map((id) => times.creationUs(fn(), 'cpu', id)))).toEqual(new Set([100, 200]));
  });

  it('fall back on the trace where nothing was measured', () => {
    expect([times.runUs(fn(), 'gpu', 'warm', 1), times.creationUs(fn(), 'gpu', 1)]).toEqual([10_000, 100_000]);
  });
});

describe('durations from the rows of a run', () => {
  const head = 'tid,function,arrival_us,queue_us,start_us,end_us,device,container,state,attempts,outcome';
  const rows = [
    'a,f@1,0,5,105,135,cpu,1,cold,1,ok',
    'b,f@1,1000,0,1000,1011,cpu,1,warm,1,ok',
    'c,f@1,2000,0,2000,9000,cpu,1,warm,1,timeout',
    'd,f@1,3000,0,,3000,cpu,,,1,overloaded',
    'e,f@1,4000,10,4010,4017,gpu1,2,warm,1,ok',
  ];

  it('are read from CSV', async () => {
    const times = await readMeasuredRuns(folder.write('runs.csv', [head, ...rows, ''].join('\n')), 1);
    expect(times.creationUs(fn(), 'cpu', 1)).toBe(100);
    expect(times.runUs(fn(), 'cpu', 'cold', 1)).toBe(30);
    expect(times.runUs(fn(), 'cpu', 'warm', 1)).toBe(11);
    expect(times.runUs(fn(), 'gpu', 'warm', 1)).toBe(7);
    expect(times.runUs(fn({ name: 'g' }), 'cpu', 'warm', 1)).toBe(10_000);
  });

  it('are read from JSONL', async () => {
    const names = head.split(',');
    const lines = rows.map((row) =>
      JSON.stringify(
        Object.fromEntries(
          row.split(',').map((text, i) => [names[i], text === '' ? null : /^\d+$/.test(text) ? Number(text) : text]),
        ),
      ),
    );
    const times = await readMeasuredRuns(folder.write('runs.jsonl', lines.join('\n')), 1);
    expect([times.runUs(fn(), 'cpu', 'cold', 1), times.runUs(fn(), 'gpu', 'warm', 1)]).toEqual([30, 7]);
  });

  it('name the line that makes no sense', async () => {
    const broken = folder.write('broken.jsonl', '\n{"function":"f@1"}\n');
    await expect(readMeasuredRuns(broken, 1)).rejects.toThrow(/broken\.jsonl, line 2: there is no arrival_us/);
    const none = folder.write('none.csv', `${head}\n`);
    await expect(readMeasuredRuns(none, 1)).rejects.toThrow(/no run that succeeded/);
  });
});
