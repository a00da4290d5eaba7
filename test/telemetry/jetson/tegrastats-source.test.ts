import { spawn } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JetsonReading } from '../../../src/telemetry/jetson/jetson-reading.js';
import { TegrastatsSource, type TegrastatsSourceOptions } from '../../../src/telemetry/jetson/tegrastats-source.js';
import { root } from '../../house/process.js';
import { FakeTegrastats, orinLine } from '../../support/tegrastats.js';

/** tegrastats as a program beside us: what it does wrong is noticed, and nothing of it stays. */

interface Told {
  readonly readings: JetsonReading[];
  readonly failures: string[];
  readonly lines: string[];
}

describe('the source tegrastats', () => {
  let fake: FakeTegrastats;
  let source: TegrastatsSource | null = null;

  beforeEach(() => {
    fake = new FakeTegrastats({ do: 'say', lines: [orinLine(37)] });
  });
  afterEach(async () => {
    await source?.stop();
    source = null;
    fake.remove();
  });

  function start(options: Partial<TegrastatsSourceOptions> = {}): Told {
    const told: Told = { readings: [], failures: [], lines: [] };
    source = new TegrastatsSource({
      command: [fake.program],
      intervalMs: 20,
      stallIntervals: 50,
      restart: { firstMs: 10, longestMs: 50, settledMs: 60_000 },
      ...options,
    });
    source.start({
      reading: (reading) => told.readings.push(reading),
      failed: (cause, message) => told.failures.push(`${cause}: ${message}`),
      line: (line) => told.lines.push(line),
    });
    return told;
  }

  it('gives what the lines say, when they come, and the lines themselves to who records them', async () => {
    const { readings, lines } = start();
    await expect.poll(() => readings.length).toBeGreaterThan(2);
    expect(readings[0]).toMatchObject({
      gpu: { utilizationPercent: 37, freqMhz: 305 },
      memory: { usedMb: 1343, totalMb: 7620 },
      totalPower: { powerMw: 5251, rails: ['VDD_IN'], estimated: false },
    });
    expect(readings[0]?.rails).toContainEqual({ name: 'VDD_SOC', powerMw: 2720 });
    expect(readings[0]?.temperatures).toContainEqual({ name: 'gpu', tempC: 49.625 });
    expect((readings[1]?.atUs ?? 0) - (readings[0]?.atUs ?? 0)).toBeGreaterThan(0);
    expect(lines[0]).toBe(orinLine(37));
  });

  it('is started again when it dies, with what it said', async () => {
    fake.behave({ do: 'die', message: 'tegrastats: cannot open the sensor' });
    const { readings, failures } = start();
    await expect.poll(() => failures.length).toBeGreaterThan(1);
    expect(failures[0]).toMatch(/^exit: .* code 1: tegrastats: cannot open the sensor$/);
    fake.load(5);
    await expect.poll(() => readings.at(-1)?.gpu.utilizationPercent).toBe(5);
    expect(source?.counters.restarts).toBeGreaterThan(0);
    expect(fake.living).toEqual([source?.pid]);
  });

  it('is killed and started again when it says nothing', async () => {
    fake.behave({ do: 'stall' });
    const { readings, failures } = start({ stallIntervals: 10 });
    await expect.poll(() => failures[0]).toMatch(/^hang: /);
    fake.load(6);
    await expect.poll(() => readings.at(-1)?.gpu.utilizationPercent).toBe(6);
    expect(fake.living.length).toBe(1);
  });

  it('is killed and started again when nothing of what it says is understood', async () => {
    fake.behave({ do: 'rubbish' });
    const { readings, failures } = start({ stallIntervals: 10 });
    await expect.poll(() => failures[0]).toMatch(/^error: .*nothing of what it writes is understood/);
    expect(readings).toEqual([]);
    fake.load(7);
    await expect.poll(() => readings.at(-1)?.gpu.utilizationPercent).toBe(7);
    expect(source?.counters.odd).toBeGreaterThan(0);
  });

  it('is killed when it floods, before that is a load', async () => {
    fake.behave({ do: 'flood' });
    const { failures } = start();
    await expect.poll(() => failures[0]).toMatch(/^error: .*far more than tegrastats does/);
  });

  it('says when there is none, or when it may not be executed, and takes it when it is there', async () => {
    chmodSync(fake.program, 0o644);
    const { readings, failures } = start();
    expect(failures[0]).toMatch(/^error: this user may not execute /);
    chmodSync(fake.program, 0o755);
    await expect.poll(() => readings.length).toBeGreaterThan(0);
    await source?.stop();
    const absent = start({ command: ['tegrastats-that-is-not-there'] });
    expect(absent.failures[0]).toBe('error: there is no program tegrastats-that-is-not-there');
  });

  it('leaves nothing behind, neither after stop nor when whoever started it is killed', async () => {
    start();
    await expect.poll(() => fake.living.length).toBe(1);
    await source?.stop();
    expect(fake.living).toEqual([]);
    const program = `
      import { TegrastatsSource } from ${JSON.stringify(new URL('src/telemetry/jetson/tegrastats-source.ts', `file://${root}/`).href)};
      const source = new TegrastatsSource({ command: [${JSON.stringify(fake.program)}], intervalMs: 20, stallIntervals: 50 });
      source.start({ reading() { console.log('reads'); }, failed() {} });
      setInterval(() => {}, 1000);
    `;
    const owner = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await new Promise((resolve) => owner.stdout.once('data', resolve));
      expect(fake.living.length).toBe(1);
    } finally {
      owner.kill('SIGKILL');
    }
    await expect.poll(() => fake.living).toEqual([]);
  });
});
