import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeriesJoin } from '../../../src/results/series-join.js';
import type { SeriesRow } from '../../../src/results/series-row.js';
import { type ClockReading, offsetOf } from '../../../src/telemetry/series/clock-offset.js';
import { fluxRows } from '../../../src/telemetry/series/flux-csv.js';
import { openSource, SOURCE_FORMS } from '../../../src/telemetry/series/open-source.js';
import { SeriesRecorder } from '../../../src/telemetry/series/series-recorder.js';

describe('the offset of another clock', () => {
  it('lies within what is said of it, whatever the delays, and is known the better the more looks there are', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -1e5, max: 1e5, noNaN: true }),
        fc.array(fc.record({ at: fc.nat(9999), there: fc.nat(40), back: fc.nat(40) }), { minLength: 1, maxLength: 12 }),
        (offset, looks) => {
          const readings = looks.map(({ at, there, back }): ClockReading => {
            const shown = 1e9 + at + there + offset;
            const earliestMs = Math.floor(shown / 1000) * 1000;
            return { beforeMs: 1e9 + at, afterMs: 1e9 + at + there + back, earliestMs, latestMs: earliestMs + 1000 };
          });
          const { offsetMs, uncertaintyMs } = offsetOf(readings, 'test');
          expect(Math.abs(offsetMs - offset)).toBeLessThanOrEqual(uncertaintyMs + 1e-6);
          const [first] = readings;
          expect(uncertaintyMs).toBeLessThanOrEqual(offsetOf([first as ClockReading], 'test').uncertaintyMs + 1e-6);
        },
      ),
    );
  });

  it('is the latest after a clock was set', () => {
    const look = (offset: number): ClockReading => ({
      beforeMs: 0,
      afterMs: 2,
      earliestMs: offset,
      latestMs: offset + 1,
    });
    expect(offsetOf([look(5000), look(100)], 'test').offsetMs).toBeCloseTo(99.5);
  });
});

describe('annotated CSV of Flux', () => {
  it('is read table by table, whatever its cells hold', () => {
    const csv =
      '#datatype,string,long,dateTime:RFC3339,double\r\n,result,table,_time,_value\r\n,_result,0,2026-01-01T00:00:00Z,1.5\r\n' +
      ',_result,0,2026-01-01T00:00:01Z,2\r\n\r\n#datatype,string,long,string,string\r\n,result,table,_value,name\r\n,_result,1,"a ""b"", c","x\ny"\r\n';
    expect(fluxRows(csv)).toMatchObject([
      { _time: '2026-01-01T00:00:00Z', _value: '1.5', table: '0' },
      { _time: '2026-01-01T00:00:01Z', _value: '2' },
      { _value: 'a "b", c', name: 'x\ny', table: '1' },
    ]);
    expect(fluxRows('')).toEqual([]);
  });
});

describe('addresses of sources', () => {
  it.each([
    ['graphite://g', 'graphite'],
    ['graphite+https://g:8443/a/b', 'graphite'],
    ['prometheus+http://p:9090', 'prometheus'],
    ['influx+http://i:8086/db', 'influx'],
    ['influx2+https://i/lab/workers', 'influx'],
  ])('%s', (address, kind) => {
    expect(openSource(address).kind).toBe(kind);
  });

  it.each([
    ['nowhere', 'no address'],
    ['carbon://g', 'no known kind ("carbon")'],
    ['influx2+http://i:8086', 'does not name an organisation'],
    ['influx+http://me:secret@i/db', 'holds a password'],
  ])('%s is refused', (address, why) => {
    expect(() => openSource(address)).toThrow(why);
    expect(() => openSource(address)).toThrow(SOURCE_FORMS[0]);
  });
});

describe('series beside results', () => {
  const join = new SeriesJoin(
    [
      {
        series: 'memory',
        worker: 'a',
        points: [
          { timeUs: 2e6, value: 20 },
          { timeUs: 1e6, value: 10 },
        ],
      },
      { series: 'memory', worker: 'b', points: [{ timeUs: 0, value: 5 }] },
      { series: 'room', worker: '', points: [{ timeUs: 0, value: 21 }] },
    ],
    3e6,
  );

  it('are what was said last of the worker, and nothing before or long after', () => {
    expect(join.at('a', 1_500_000)).toEqual({ memory: 10, room: 21 });
    expect(join.at('a', 2_000_000)).toEqual({ memory: 20, room: 21 });
    expect(join.at('b', 500_000)).toEqual({ memory: 5, room: 21 });
    expect(join.value('memory', 'a', 999_999)).toBeNaN();
    expect(join.value('memory', 'b', 3_000_001)).toBeNaN();
    expect(join.value('memory', 'nobody', 1e6)).toBeNaN();
  });

  it('are there for each second and worker', () => {
    const seconds = [...join.seconds(2_000_001)].filter(({ worker }) => worker === 'a');
    expect(seconds.map(({ second, values }) => [second, values['memory']])).toEqual([
      [0, Number.NaN],
      [1, 10],
      [2, 20],
    ]);
  });

  it('of the only worker are meant where results do not name it', () => {
    const one = new SeriesJoin([{ series: 'memory', worker: 'a', points: [{ timeUs: 0, value: 1 }] }]);
    expect(one.value('memory', '', 5)).toBe(1);
  });
});

describe('a recorder of series', () => {
  const status = (running: number) =>
    ({
      name: 'w',
      functions: 1,
      memory: { runningMb: 1, cachedMb: 2, totalMb: 3, budgetMb: 30, runningContainers: 1, cachedContainers: 2 },
      queues: { cpu: { length: 4 }, gpu: { length: 0, expectedUs: 0 } },
      cpu: { slots: 2, used: 1 },
      gpus: [],
      jetson: null,
      host: { cpuPercent: 50, loadPerCore: 1 },
      starting: 0,
      running,
      counters: { cold: 7 },
    }) as never;

  it('writes what a worker says, by the clock of the run, and nothing from before it', async () => {
    const rows: SeriesRow[] = [];
    let answers = 0;
    const sink = {
      row: (row: SeriesRow) => void rows.push({ ...row }),
      backlog: () => null,
      end: async () => undefined,
    };
    // Each look at the clock is half a second later; the first status is from before the beginning.
    let now = -1_500_000;
    const recorder = new SeriesRecorder({
      workers: [{ status: async () => status(++answers) }],
      sink,
      now: () => {
        now += 500_000;
        return now;
      },
      periodMs: 5,
    });
    await expect.poll(() => answers).toBeGreaterThan(3);
    await recorder.stop();
    const running = rows.filter(({ series }) => series === 'worker_load.num_running_funcs');
    expect(running.slice(0, 2)).toEqual([
      { timeUs: 250_000, worker: 'w', series: 'worker_load.num_running_funcs', value: 2 },
      { timeUs: 1_250_000, worker: 'w', series: 'worker_load.num_running_funcs', value: 3 },
    ]);
    expect(new Set(rows.map(({ series }) => series))).toContain('worker_state.memory_cached_mb');
    expect(rows.find(({ series }) => series === 'worker_load.cpu_util')?.value).toBe(50);
    expect(recorder.rows).toBe(rows.length);
  });

  it('leaves a gap where a worker does not answer, and asks none twice at once', async () => {
    let asked = 0;
    let give = (_error: Error): void => undefined;
    const waiting = new Promise<never>((_, reject) => {
      give = reject;
    });
    const sink = { row: () => undefined, backlog: () => null, end: async () => undefined };
    const silent = {
      status: () => {
        asked++;
        return waiting;
      },
    };
    const recorder = new SeriesRecorder({ workers: [silent], sink, now: () => 0, periodMs: 5 });
    await expect.poll(() => recorder.missed).toBeGreaterThan(2);
    expect(asked).toBe(1);
    give(new Error('gone'));
    await recorder.stop();
    expect(recorder.rows).toBe(0);
  });

  it('ends with the error of a disk that is full', async () => {
    const full = () => {
      throw new Error('no space left');
    };
    const sink = { row: full, backlog: () => null, end: async () => undefined };
    const recorder = new SeriesRecorder({ workers: [{ status: async () => status(1) }], sink, now: () => 1 });
    await expect(recorder.stop()).rejects.toThrow('no space left');
  });
});
