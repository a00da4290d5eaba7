import { describe, expect, test } from 'vitest';
import { runLive } from '../../src/cli/sim/live-run.js';
import { figureCells, figuresMarkdown, figuresOf, quantileOf, simulateRun } from '../../src/sim/validate/validation.js';
import { paperWorkload, traceWorkload, type Workload, workloadTrace } from '../../src/sim/validate/workload.js';
import { openTrace } from '../../src/traces/open-trace.js';
import { describeWith } from '../support/requirement.js';
import { arrivalsOf, refusal, TestFolder } from './support/files.js';

const folder = new TestFolder();
const OPTIONS = { seconds: 60, functions: 100, seed: 1, slots: 8 };

const busySlots = ({ functions, arrivals }: Workload, seconds: number): number =>
  arrivals.reduce((sum, { fn }) => sum + (functions[fn]?.warmMs as number), 0) / 1000 / seconds;

describe('the workload of a validation', () => {
  test('has the shape of the paper: rates, order, half of the slots busy', () => {
    const workload = paperWorkload(OPTIONS);
    expect(workload.functions).toHaveLength(21);
    // 11,868 invocations in 300 s.
    expect(Math.abs(workload.arrivals.length / 60 / 39.56 - 1)).toBeLessThan(0.1);
    expect(
      workload.arrivals.every(({ atUs }, i) => i === 0 || atUs >= (workload.arrivals[i - 1]?.atUs as number)),
    ).toBe(true);
    expect(workload.arrivals.every(({ atUs }) => Number.isInteger(atUs) && atUs < 60e6)).toBe(true);
    expect(busySlots(workload, 60)).toBeCloseTo(4, 1);
    expect(workload.functions.every(({ importMs, memoryMb }) => importMs <= 1500 && memoryMb >= 48)).toBe(true);
    // The most called first, and about as often as the table says: 3912 of 300 s.
    const first = workload.arrivals.filter(({ fn }) => fn === 0).length;
    expect(Math.abs(first / (3912 / 5) - 1)).toBeLessThan(0.15);
  });

  test('a seed makes it; another makes another', () => {
    expect(paperWorkload(OPTIONS)).toEqual(paperWorkload(OPTIONS));
    expect(paperWorkload({ ...OPTIONS, seed: 2 }).arrivals).not.toEqual(paperWorkload(OPTIONS).arrivals);
  });

  test('of a trace: its beginning, its most called functions', async () => {
    const functions = folder.write(
      'f.csv',
      'func_name,mem_mb,warm_dur_ms,cold_dur_ms\na,1,10,30010\nb,100,4000,4000\nc,7,10,900010\n',
    );
    const trace = folder.write('t.csv', 'func_name,invoke_time_ms\nc,0\na,1\nb,2\na,3\nc,4\na,5\nc,999\nb,1000\n');
    const source = await openTrace({ trace, functions });
    const workload = await traceWorkload(source, { ...OPTIONS, seconds: 1, functions: 2, slots: 1000 });
    expect(workload).toEqual({
      functions: [
        { name: 'a', memoryMb: 49, warmMs: 10, importMs: 300 },
        { name: 'c', memoryMb: 55, warmMs: 10, importMs: 1500 },
      ],
      arrivals: [
        [0, 1],
        [1, 0],
        [3, 0],
        [4, 1],
        [5, 0],
        [999, 1],
      ].map(([ms, fn]) => ({ atUs: (ms as number) * 1000, fn })),
    });
    const again = workloadTrace(workload);
    expect(again.functions[1]).toMatchObject({ name: 'c', warmUs: 10_000, coldUs: 1_510_000, memoryMb: 55 });
    expect(await arrivalsOf(again)).toEqual(workload.arrivals.map(({ atUs, fn }) => [atUs, fn === 0 ? 'a' : 'c']));
    const empty = folder.write('e.csv', 'func_name,invoke_time_ms\na,5000\n');
    expect(
      await refusal(async () =>
        traceWorkload(await openTrace({ trace: empty, functions }), { ...OPTIONS, seconds: 1 }),
      ),
    ).toContain('1 s');
  });
});

describe('the simulated half', () => {
  test('takes the calibrated times: by hand for two functions on one slot', async () => {
    const workload: Workload = {
      functions: [
        { name: 'a', memoryMb: 100, warmMs: 10, importMs: 50 },
        { name: 'b', memoryMb: 100, warmMs: 20, importMs: 0 },
      ],
      arrivals: [
        { atUs: 0, fn: 0 },
        { atUs: 1000, fn: 1 },
        { atUs: 200_000, fn: 0 },
      ],
    };
    const calibration = { creationUs: [5000], warmExtraUs: [300], coldExtraUs: [700], destructionUs: [2000] };
    const config = { cpu: { slots: 1 }, memory: { budgetMb: 150 } };
    const observed = await simulateRun({ workload, calibration }, config, {
      seed: 1,
    });
    // a: 55 ms until it is ready, 10.7 ms of run. b waits 64.7 ms for the slot, then 2 ms until a's container is gone; 5 + 20.7 ms. a again: 2 ms for
    // b's container, and cold again.
    expect(observed).toMatchObject({ invocations: 3, failed: 0, coldStarts: 3 });
    expect(observed.meanQueueMs).toBeCloseTo((0 + 66.7 + 2) / 3, 6);
    expect(observed.meanEndToEndMs).toBeCloseTo((65.7 + (66.7 + 25.7) + (2 + 65.7)) / 3, 6);
  });

  test('figures: relative differences, and none where there is nothing to relate to', () => {
    const live = {
      invocations: 10,
      failed: 0,
      coldStarts: 4,
      meanQueueMs: 2,
      p99QueueMs: 0,
      meanEndToEndMs: 10,
      meanRunningMb: 100,
      meanCachedMb: 50,
    };
    const figures = figuresOf(live, { ...live, coldStarts: 5, meanQueueMs: 1.8, p99QueueMs: 3 });
    expect(figures.map(({ difference }) => difference)).toEqual([0, 0, 0.25, expect.closeTo(-0.1), null, 0, 0, 0]);
    expect(figures.map(figureCells)[2]).toEqual(['cold starts', '4', '5', '+25.0 %']);
    expect(figures.map(figureCells)[3]).toEqual(['mean queue time, ms', '2.00', '1.80', '−10.0 %']);
    expect(figures.map(figureCells)[4]?.[3]).toBe('—');
    expect(figuresMarkdown(figures).trimEnd().split('\n')).toHaveLength(10);
  });

  test('a quantile is the nearest rank', () => {
    const values = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect([0, 0.5, 0.99, 1].map((q) => quantileOf(values, q))).toEqual([1, 50, 99, 100]);
    expect(quantileOf([], 0.5)).toBe(0);
  });
});

describeWith({ command: 'python3' }, 'live against simulated', () => {
  test('five seconds: everything is answered on both sides, and cold starts are about as many', async () => {
    const config = { cpu: { slots: 8 }, memory: { budgetMb: 2048 } };
    const lines: string[] = [];
    const live = await runLive(paperWorkload({ ...OPTIONS, seconds: 5, functions: 8 }), {
      config,
      work: 'sleep',
      timeoutMs: 60_000,
      progress: (line) => lines.push(line),
    });
    const simulated = await simulateRun(live, config, {
      seed: 1,
      functions: { timeoutMs: 60_000 },
    });
    const { observed, workload, calibration } = live;
    expect(observed.invocations).toBe(workload.arrivals.length);
    expect(observed).toMatchObject({ failed: 0 });
    expect(simulated).toMatchObject({ failed: 0, invocations: observed.invocations });
    expect(observed.coldStarts).toBeGreaterThanOrEqual(workload.functions.length);
    const ratio = simulated.coldStarts / observed.coldStarts;
    expect(ratio, `${simulated.coldStarts} simulated, ${observed.coldStarts} live`).toBeGreaterThan(0.4);
    expect(ratio, `${simulated.coldStarts} simulated, ${observed.coldStarts} live`).toBeLessThan(2.5);
    expect(simulated.meanRunningMb + simulated.meanCachedMb).toBeLessThanOrEqual(2048);
    expect(Object.values(calibration).every((list) => list.length > 0)).toBe(true);
    expect(lines.length).toBeGreaterThan(1);
  });
});
