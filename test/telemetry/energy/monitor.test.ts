import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type EnergyRow, energyTable } from '../../../src/results/energy-row.js';
import { readSeriesJoin } from '../../../src/results/series-join.js';
import { openTable } from '../../../src/tables/batches.js';
import { openSink } from '../../../src/tables/open-sink.js';
import { EnergyMonitor } from '../../../src/telemetry/energy/monitor/energy-monitor.js';
import { FrequencyProbe } from '../../../src/telemetry/energy/monitor/frequency-probe.js';
import type { Probe, ProbeReading } from '../../../src/telemetry/energy/monitor/probe.js';
import { ProcessProbe } from '../../../src/telemetry/energy/monitor/process-probe.js';
import { SourceProbe } from '../../../src/telemetry/energy/monitor/source-probe.js';
import { RaplSource } from '../../../src/telemetry/energy/sources/rapl.js';
import { EnergyFileSource } from '../../../src/telemetry/series/energy-file-source.js';
import { fetchForRun } from '../../../src/telemetry/series/fetch-run.js';
import { openSource } from '../../../src/telemetry/series/open-source.js';
import { cleanAfterEach, temporaryFolder } from '../../backends/support/temporary.js';
import { FakeMachine } from './fakes/machine.js';

/** Several things in one table, each in its own period, whatever becomes of the others. */

cleanAfterEach();

/** A probe that says what it is told to. */
class ScriptedProbe implements Probe {
  readonly source: string;
  readonly periodMs: number;
  opened = 0;
  closed = 0;
  reads = 0;
  readonly #script: (read: number) => ProbeReading;

  constructor(source: string, periodMs: number, script: (read: number) => ProbeReading) {
    this.source = source;
    this.periodMs = periodMs;
    this.#script = script;
  }

  async open(): Promise<void> {
    this.opened++;
  }

  async read(): Promise<ProbeReading> {
    return this.#script(this.reads++);
  }

  async close(): Promise<void> {
    this.closed++;
  }
}

function collecting(rows: EnergyRow[]) {
  return { row: (row: Readonly<EnergyRow>) => void rows.push({ ...row }), backlog: () => null, end: async () => {} };
}

const now = (): number => performance.now() * 1000;

describe('EnergyMonitor', () => {
  it('writes rows of all probes, and goes on when one of them fails', async () => {
    const stop = new AbortController();
    const rows: EnergyRow[] = [];
    const steady = new ScriptedProbe('steady', 10, (read) => {
      if (read === 9) stop.abort();
      return {
        atUs: now(),
        values: [
          { domain: '', joules: read, watts: 2, estimated: false },
          { domain: 'part', joules: read / 2, watts: 1 },
        ],
      };
    });
    const failing = new ScriptedProbe('failing', 10, (read) => {
      if (read % 2 === 1) throw new Error('the bus is gone, "again"');
      return { atUs: now(), values: [{ domain: '', freqKhz: 1000 }] };
    });
    const monitor = new EnergyMonitor({
      probes: [steady, failing],
      openSink: async () => collecting(rows),
      signal: stop.signal,
    });
    await monitor.run();
    const of = (source: string): EnergyRow[] => rows.filter((row) => row.source === source);
    expect(
      of('steady')
        .filter(({ domain }) => domain === '')
        .map(({ energyUj }) => energyUj),
    ).toEqual(Array.from({ length: 10 }, (_, i) => i * 1e6));
    expect(of('steady')[1]).toMatchObject({ domain: 'part', powerMw: 1000, estimated: -1, cpuUs: -1, note: '' });
    const notes = of('failing').filter(({ note }) => note !== '');
    expect(notes.length).toBeGreaterThan(0);
    expect(notes[0]).toMatchObject({ energyUj: -1, powerMw: -1, freqKhz: -1, note: 'the bus is gone, "again"' });
    expect(rows).toHaveLength(monitor.rows);
    const [steadyTotals, failingTotals] = monitor.totals();
    expect(steadyTotals).toMatchObject({ readings: 10, failures: 0, joules: 9, lastNote: null });
    expect(failingTotals).toMatchObject({ failures: notes.length, joules: null, lastNote: 'the bus is gone, "again"' });
    expect([steady.closed, failing.closed]).toEqual([1, 1]);
  });

  it('stamps rows on both clocks', async () => {
    const stop = new AbortController();
    const rows: EnergyRow[] = [];
    const before = { unixMs: Date.now(), monotonicUs: Number(process.hrtime.bigint() / 1000n) };
    const probe = new ScriptedProbe('one', 5, (read) => {
      if (read === 4) stop.abort();
      return { atUs: now(), values: [{ domain: '' }] };
    });
    await new EnergyMonitor({ probes: [probe], openSink: async () => collecting(rows), signal: stop.signal }).run();
    const after = { unixMs: Date.now(), monotonicUs: Number(process.hrtime.bigint() / 1000n) };
    let last = 0;
    for (const { unixUs, monotonicUs } of rows) {
      expect(monotonicUs).toBeGreaterThanOrEqual(before.monotonicUs - 1);
      expect(monotonicUs).toBeLessThanOrEqual(after.monotonicUs + 1);
      expect(monotonicUs).toBeGreaterThanOrEqual(last);
      last = monotonicUs;
      // The wall clock is followed when it is 5 ms away.
      expect(unixUs / 1000).toBeGreaterThan(before.unixMs - 10);
      expect(unixUs / 1000).toBeLessThan(after.unixMs + 10);
    }
    expect(rows).toHaveLength(5);
  });

  it('writes a reading once, however often it is read', async () => {
    const stop = new AbortController();
    const rows: EnergyRow[] = [];
    const fixed = now();
    const probe = new ScriptedProbe('slow', 1, (read) => {
      if (read === 20) stop.abort();
      return { atUs: fixed + Math.floor(read / 10), values: [{ domain: '', joules: 1 }] };
    });
    await new EnergyMonitor({ probes: [probe], openSink: async () => collecting(rows), signal: stop.signal }).run();
    expect(rows).toHaveLength(3);
  });

  it('starts nothing when something cannot be opened, and stops everything when the table cannot be written', async () => {
    const rows: EnergyRow[] = [];
    const fine = new ScriptedProbe('fine', 5, () => ({ atUs: now(), values: [{ domain: '' }] }));
    const locked = new ScriptedProbe('locked', 5, () => ({ atUs: now(), values: [] }));
    locked.open = async () => {
      throw new Error('it is locked');
    };
    const signal = new AbortController().signal;
    await expect(
      new EnergyMonitor({ probes: [fine, locked], openSink: async () => collecting(rows), signal }).run(),
    ).rejects.toThrow('it is locked');
    expect([fine.reads, fine.closed]).toEqual([0, 1]);
    const full = {
      ...collecting(rows),
      row: () => {
        throw new Error('the disk is full');
      },
    };
    await expect(new EnergyMonitor({ probes: [fine], openSink: async () => full, signal }).run()).rejects.toThrow(
      'the disk is full',
    );
    expect(fine.closed).toBe(2);
  });

  it.each(['csv', 'parquet'])('writes a table of %s that a run’s series can be read from', async (ending) => {
    const machine = new FakeMachine().files({
      'sys/class/powercap/intel-rapl:0/name': 'package-0',
      'sys/class/powercap/intel-rapl:0/energy_uj': 0,
      'sys/class/powercap/intel-rapl:0/max_energy_range_uj': 262_143_328_850,
      'sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq': 2_400_000,
      'sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq': 800_000,
    });
    const file = join(temporaryFolder(), `power.${ending}`);
    const stop = new AbortController();
    const beginMs = Date.now() - 20;
    const monitor = new EnergyMonitor({
      probes: [
        new SourceProbe(new RaplSource(machine.config().energy), 10),
        new FrequencyProbe({ root: machine.root, periodMs: 10 }),
        new ProcessProbe({ pid: process.pid, tree: false, periodMs: 10 }),
      ],
      openSink: () => openSink(file, energyTable),
      signal: stop.signal,
    });
    const running = monitor.run();
    let uj = 0;
    await expect
      .poll(() => {
        uj += 1000;
        machine.files({ 'sys/class/powercap/intel-rapl:0/energy_uj': uj });
        return monitor.totals()[0]?.joules ?? 0;
      })
      .toBeGreaterThan(0.005);
    stop.abort();
    await running;
    let rows = 0;
    for await (const batch of (await openTable(file)).batches()) rows += batch.rows;
    expect(rows).toBe(monitor.rows);
    const source = new EnergyFileSource(file);
    const window = { beginMs, endMs: Date.now() + 20 };
    const series = await source.fetch(window, { series: [], stepMs: 1000 });
    expect(series.map((one) => one.series).sort()).toEqual([
      'cpu-frequency.cpu0.mhz',
      'cpu-frequency.cpu1.mhz',
      'energy.rapl.joules',
      'energy.rapl.package-0.joules',
      'energy.rapl.package-0.watts',
      'energy.rapl.watts',
      `process.${process.pid}.cpus`,
    ]);
    const joules = series.find((one) => one.series === 'energy.rapl.joules')?.points ?? [];
    const [first = 0, last = 0] = [joules[0]?.value, joules.at(-1)?.value];
    expect(last - first).toBeCloseTo(monitor.totals()[0]?.joules ?? 0, 6);
    expect(series.find((one) => one.series === 'cpu-frequency.cpu1.mhz')?.points[0]?.value).toBe(800);
    const one = await source.fetch(window, { series: ['energy.rapl.watts'], stepMs: 1000 });
    expect(one.map(({ series }) => series)).toEqual(['energy.rapl.watts']);
    // Beside a run, as `load fetch` does it.
    const run = { beginUnixUs: Math.round(beginMs * 1000), endUnixUs: Math.round(window.endMs * 1000) };
    const opened = openSource(`energy://${file}`);
    const folder = temporaryFolder();
    const signal = new AbortController().signal;
    const record = await fetchForRun(opened, run, { folder, selection: { series: [], stepMs: 1000 }, signal });
    expect(record).toMatchObject({ file: 'energy.parquet', correctedMs: 0 });
    const joined = await readSeriesJoin([join(folder, record.file)]);
    expect(joined.value('energy.rapl.joules', '', run.endUnixUs - run.beginUnixUs)).toBeCloseTo(last, 6);
    expect(await source.fetch({ beginMs: 0, endMs: 1 }, { series: [], stepMs: 1000 })).toEqual([]);
  });
});

describe('ProcessProbe', () => {
  const stat = (
    pid: number,
    name: string,
    parent: number,
    times: readonly number[],
    began = 5000,
  ): Record<string, string> => ({
    [`proc/${pid}/stat`]: `${pid} (${name}) S ${parent} ${pid} ${pid} 0 -1 4194560 100 0 0 0 ${times.join(' ')} 20 0 1 0 ${began} 1000000 100 18446744073709551615`,
  });

  it('counts a tree once, with what has ended in it, and no other', async () => {
    const machine = new FakeMachine().files({
      ...stat(1, 'init', 0, [1000, 1000, 1000, 1000]),
      ...stat(10, 'a (b) c', 1, [10, 5, 3, 2]),
      ...stat(11, 'child', 10, [7, 0, 0, 0]),
      ...stat(12, 'grandchild', 11, [0, 4, 0, 1]),
      ...stat(13, 'other', 1, [500, 0, 0, 0]),
    });
    const alone = new ProcessProbe({ pid: 10, tree: false, periodMs: 10, root: machine.root });
    const tree = new ProcessProbe({ pid: 10, tree: true, periodMs: 10, root: machine.root });
    await alone.open();
    await tree.open();
    expect((await alone.read()).values[0]?.cpuUs).toBe(150_000);
    expect((await tree.read()).values).toMatchObject([{ domain: '10', cpuUs: 320_000, cpuShare: 0 }]);
    // The grandchild has ended: its time is its parent's now.
    machine.remove('proc/12').files(stat(11, 'child', 10, [7, 0, 0, 5]));
    expect((await tree.read()).values[0]).toMatchObject({ cpuUs: 320_000, cpuShare: 0 });
    machine.files(stat(11, 'child', 10, [9, 0, 0, 5]));
    const after = (await tree.read()).values[0];
    expect(after?.cpuUs).toBe(340_000);
    expect(after?.cpuShare).toBeGreaterThan(0);
  });

  it('does not take another process for it that got its pid', async () => {
    const machine = new FakeMachine().files(stat(10, 'a', 1, [10, 5, 0, 0]));
    const probe = new ProcessProbe({ pid: 10, tree: false, periodMs: 10, root: machine.root });
    await probe.open();
    machine.files(stat(10, 'b', 1, [1, 0, 0, 0], 9000));
    await expect(probe.read()).rejects.toThrow('there is no process 10');
    const never = new ProcessProbe({ pid: 11, tree: true, periodMs: 10, root: machine.root });
    await expect(never.open()).rejects.toThrow('there is no process 11');
  });

  it('says what this very process used', async () => {
    const probe = new ProcessProbe({ pid: process.pid, tree: false, periodMs: 10 });
    await probe.open();
    const { user, system } = process.cpuUsage();
    const cpuUs = (await probe.read()).values[0]?.cpuUs ?? 0;
    // In hundredths of a second, each of both cut off.
    expect(Math.abs(cpuUs - user - system)).toBeLessThan(100_000);
  });
});
