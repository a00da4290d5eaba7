import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openTable } from '../../src/tables/batches.js';
import { cleanAfterEach, temporaryFolder } from '../backends/support/temporary.js';
import { FakeMachine } from '../telemetry/energy/fakes/machine.js';
import { iluvatar, type Ran, type RunOptions } from './run.js';

/** `iluvatar energy`, on a machine made of files and stand-ins. */

cleanAfterEach();

function machine(): FakeMachine {
  return new FakeMachine()
    .files({
      'sys/class/powercap/intel-rapl:0/name': 'package-0',
      'sys/class/powercap/intel-rapl:0/energy_uj': 1000,
      'sys/class/powercap/intel-rapl:0/max_energy_range_uj': 262_143_328_850,
      'sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq': 1_200_000,
    })
    .program('ipmitool', { watts: '150' });
}

function energy(fake: FakeMachine, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { energy } = fake.config();
  const env = {
    ILUVATAR__ENERGY__ROOT: energy.root,
    ILUVATAR__ENERGY__IPMI__COMMAND: energy.ipmi.command,
    ILUVATAR__ENERGY__NVIDIA__COMMAND: energy.nvidia.command,
    ...options.env,
  };
  return iluvatar(['energy', ...args], { ...options, env });
}

async function rowsOf(file: string): Promise<Record<string, unknown>[]> {
  const rows: Record<string, unknown>[] = [];
  const reader = await openTable(file, ['source', 'domain', 'note']);
  for await (const batch of reader.batches()) {
    for (let i = 0; i < batch.rows; i++) {
      rows.push(Object.fromEntries(reader.columns.map((name) => [name, batch.column(name)?.[i]])));
    }
  }
  return rows;
}

describe('energy sources', () => {
  it('tells of each source whether it can be read, and what it is worth or what grants access', async () => {
    const fake = machine();
    const { code, stdout } = await energy(fake, ['sources', '--json']);
    expect(code).toBe(0);
    const sources = JSON.parse(stdout) as { name: string; state: string; remedy: string | null; domains: string[] }[];
    const of = (name: string) => sources.find((source) => source.name === name);
    expect(of('rapl')).toMatchObject({ state: 'ok', domains: ['package-0'], periodMs: 1, message: null });
    expect(of('ipmi')).toMatchObject({ state: 'ok', domains: ['system'] });
    expect(of('nvidia')).toMatchObject({ state: 'missing', remedy: 'sudo apt-get install nvidia-smi' });
    expect(of('battery')).toMatchObject({ state: 'missing', remedy: null });
    const text = (await energy(fake, ['sources'])).stdout;
    expect(text).toMatch(/^rapl +ok +package-0$/m);
    expect(text).toMatch(/^nvidia +missing +there is no program .*: sudo apt-get install nvidia-smi$/m);
  });
});

describe('energy monitor', () => {
  it('writes several sources, a process and frequencies into one table, for as long as it is told to', async () => {
    const fake = machine().files({ 'proc/7/stat': `7 (a) S 1 7 7 0 -1 0 0 0 0 0 5 5 0 0 20 0 1 0 99 0 0 0` });
    const file = join(temporaryFolder(), 'power.csv');
    const { code, stdout, stderr } = await energy(fake, [
      ...['monitor', '--out', file, '--source', 'rapl,ipmi', '--period-ms', '50', '--ipmi-freq-ms', '100'],
      ...['--pid', '7', '--tree', '--frequencies', '--duration', '700ms', '--json'],
    ]);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const { rows, totals } = JSON.parse(stdout) as { rows: number; totals: { source: string; readings: number }[] };
    expect(totals.map(({ source }) => source)).toEqual(['rapl', 'ipmi', 'process', 'cpu-frequency']);
    const table = await rowsOf(file);
    expect(table).toHaveLength(rows);
    const of = (source: string) => table.filter((row) => row['source'] === source);
    expect(of('rapl')[1]).toMatchObject({ domain: 'package-0', energy_uj: 0, power_mw: 0, estimated: 0, cpu_us: null });
    expect(of('ipmi')[0]).toMatchObject({ domain: null, power_mw: 150_000, freq_khz: null });
    expect(of('process')[0]).toMatchObject({ domain: '7', cpu_us: 100_000, energy_uj: null });
    expect(of('cpu-frequency')[0]).toMatchObject({ domain: 'cpu0', freq_khz: 1_200_000 });
  });

  it('writes what there is when it is interrupted', async () => {
    const fake = machine();
    const file = join(temporaryFolder(), 'power.parquet');
    const { code, stdout } = await energy(fake, ['monitor', '--out', file, '--rapl-freq-ms', '20'], {
      started: (child) => {
        const waiting = setInterval(() => {
          if (!existsSync(file)) return;
          clearInterval(waiting);
          setTimeout(() => child.kill('SIGINT'), 300);
        }, 20);
        child.on('exit', () => clearInterval(waiting));
      },
    });
    expect(code).toBe(130);
    expect(stdout).toMatch(/^rapl +\d+ +0 /m);
    const table = await rowsOf(file);
    expect(table.length).toBeGreaterThan(0);
    expect(stdout).toContain(`${table.length} rows in ${file}`);
  });

  it('notes in a row what fails meanwhile, and goes on', async () => {
    const fake = machine();
    const file = join(temporaryFolder(), 'power.jsonl');
    const asked = (): number => (fake.left('ipmitool', 'arguments') ?? '').split('\n').length - 1;
    const { code, stdout } = await energy(fake, ['monitor', '--out', file, '--ipmi-freq-ms', '50'], {
      started: (child) => {
        const steps: [number, () => void][] = [
          [4, () => fake.control('ipmitool', 'refuse', 'the bus is gone')],
          [9, () => fake.remove('programs/ipmitool/refuse')],
          [14, () => child.kill('SIGINT')],
        ];
        const waiting = setInterval(() => {
          if (asked() >= (steps[0]?.[0] ?? Number.POSITIVE_INFINITY)) steps.shift()?.[1]();
        }, 5);
        child.on('exit', () => clearInterval(waiting));
      },
    });
    expect([code, stdout]).toEqual([130, expect.stringMatching(/^ipmi .* the bus is gone$/m)]);
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    const rows = lines.map((line) => JSON.parse(line) as { power_mw: number | null; note: string | null });
    const notes = rows.map(({ note }) => note);
    const failed = rows.filter(({ note }) => note !== null);
    expect(failed.length).toBeGreaterThan(0);
    expect(failed.every(({ power_mw, note }) => power_mw === null && /the bus is gone/.test(note ?? ''))).toBe(true);
    // Before and after.
    expect(notes[0]).toBeNull();
    expect(notes.at(-1)).toBeNull();
    expect(rows[0]?.power_mw).toBe(150_000);
  });

  it('refuses what cannot be read, with the command that would help', async () => {
    const file = join(temporaryFolder(), 'power.csv');
    const { code, stderr } = await energy(new FakeMachine(), ['monitor', '--out', file, '--source', 'rapl', '--json']);
    expect(code).toBe(3);
    expect(JSON.parse(stderr).error).toMatchObject({
      class: 'unavailable',
      message: expect.stringMatching(/sudo modprobe intel_rapl_msr$/),
    });
  });

  it.each([
    [['--source', 'sunshine'], /--source must be one of none, auto, /],
    [['--period-ms', '5', '--source', 'rapl'], /--period-ms must be at least 10/],
    [['--tree', '--source', 'rapl'], /--tree and --process-freq-ms are of the process that --pid names/],
    [['--rapl-freq-ms', '0'], /there is nothing to read/],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await energy(machine(), ['monitor', '--out', '/nonexistent/power.csv', ...args]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });
});
