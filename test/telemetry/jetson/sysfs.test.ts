import { afterEach, describe, expect, it } from 'vitest';
import { jetsonSection } from '../../../src/config/sections/jetson.js';
import { detectBoard } from '../../../src/telemetry/jetson/board.js';
import { boardFacts } from '../../../src/telemetry/jetson/board-facts.js';
import type { JetsonReading } from '../../../src/telemetry/jetson/jetson-reading.js';
import { openJetsonSource } from '../../../src/telemetry/jetson/open-jetson-source.js';
import { SysfsSource } from '../../../src/telemetry/jetson/sysfs-source.js';
import { SystemFiles } from '../../../src/telemetry/jetson/system-files.js';
import { Throttling } from '../../../src/telemetry/jetson/throttling.js';
import { FakeBoard, NANO, ORIN } from '../../support/jetson-board.js';

/** What is read of a board without tegrastats, on fake trees of two generations. */

let board: FakeBoard | null = null;
afterEach(() => {
  board?.remove();
  board = null;
});

function place(files: Readonly<Record<string, string>>): FakeBoard {
  board?.remove();
  board = new FakeBoard(files);
  return board;
}

function sourceOn(root: string, intervalMs = 10): SysfsSource {
  return new SysfsSource({ files: new SystemFiles(root), intervalMs });
}

const READING: Partial<JetsonReading> = {
  gpu: { utilizationPercent: 41.7, freqMhz: 918 },
  rails: [
    { name: 'VDD_GPU_SOC', powerMw: 4750 },
    { name: 'VDD_CPU_CV', powerMw: 1900 },
    { name: 'VIN_SYS_5V0', powerMw: 4500 },
    { name: 'VDDQ_VDD2_1V8AO', powerMw: 1000 },
  ],
  totalPower: { powerMw: 11_150, rails: ['VDD_GPU_SOC', 'VDD_CPU_CV', 'VIN_SYS_5V0'], estimated: true },
  temperatures: [{ name: 'cpu', tempC: 51.25 }],
};

describe('a board', () => {
  it('is known by its device tree and release', () => {
    expect(detectBoard(place(ORIN).root)).toEqual({
      model: 'NVIDIA Jetson AGX Orin Developer Kit',
      chip: 'tegra234',
      l4t: '36.4.3',
      jetpack: '6',
      powerMode: { id: 2, name: 'MODE_30W' },
      memoryMb: 62_841,
    });
  });

  it('is known by one of them, and has null for what it does not say', () => {
    const { root } = place({ 'etc/nv_tegra_release': '# R99 (release), REVISION: 1.0, GCID: 1\n' });
    expect(detectBoard(root)).toEqual({
      model: 'NVIDIA Jetson',
      chip: null,
      l4t: '99.1.0',
      jetpack: null,
      powerMode: null,
      memoryMb: null,
    });
  });

  it('is none on other machines', () => {
    expect(detectBoard(place({ 'proc/meminfo': 'MemTotal: 1024 kB\n' }).root)).toBeNull();
    expect(detectBoard(place({ 'proc/device-tree/model': 'Raspberry Pi 5\0' }).root)).toBeNull();
  });
});

describe('the source sysfs', () => {
  it('reads sensors and the load of the GPU as JetPack 6 has them', async () => {
    const reading = await sourceOn(place(ORIN).root).read();
    expect(reading).toMatchObject(READING);
    expect(reading.memory?.totalMb).toBeCloseTo(62_841, 0);
    expect(reading.memory?.usedMb).toBeCloseTo((64_349_184 - 50_349_184 - 4_000_000) / 1024, 3);
  });

  it('reads them as JetPack 4 has them', async () => {
    const reading = await sourceOn(place(NANO).root).read();
    expect(reading).toMatchObject({
      gpu: { utilizationPercent: 100, freqMhz: 76.8 },
      totalPower: { powerMw: 1750, rails: ['POM_5V_IN'], estimated: false },
    });
    expect(reading.rails).toHaveLength(3);
  });

  it('has null, and not 0, for what cannot be read any more', async () => {
    const { root } = place(ORIN);
    const source = sourceOn(root);
    board?.take('sys/class/devfreq/17000000.gpu/device/load');
    board?.write('sys/class/devfreq/17000000.gpu/cur_freq', 'off\n');
    board?.take('sys/class/hwmon/hwmon3/curr1_input');
    board?.take('proc/meminfo');
    const reading = await source.read();
    expect(reading.gpu).toEqual({ utilizationPercent: null, freqMhz: null });
    expect(reading.memory).toBeNull();
    expect(reading.rails.map(({ name }) => name)).toEqual(['VDD_CPU_CV', 'VIN_SYS_5V0', 'VDDQ_VDD2_1V8AO']);
  });

  it('gives one reading after the other, and says when there is nothing to read', async () => {
    const { root } = place(ORIN);
    const source = sourceOn(root);
    const readings: JetsonReading[] = [];
    const failures: string[] = [];
    source.start({ reading: (one) => readings.push(one), failed: (_cause, message) => failures.push(message) });
    try {
      await expect.poll(() => readings.length).toBeGreaterThan(2);
      expect(readings.every((one, i) => i === 0 || one.atUs > (readings[i - 1] as JetsonReading).atUs)).toBe(true);
      board?.take('sys');
      await expect.poll(() => failures[0]).toContain('can be read');
    } finally {
      await source.stop();
    }
    const { readings: count } = source.counters;
    expect(count).toBe(readings.length);
  });

  it('is taken where it says enough, and tegrastats where it does not', async () => {
    const config = (root: string, more: object = {}) => jetsonSection.parse({ root, command: ['/bin/true'], ...more });
    const { root } = place(ORIN);
    const name = (given: ReturnType<typeof config>): string | undefined =>
      openJetsonSource(given, detectBoard(given.root))?.name;
    expect(name(config(root))).toBe('sysfs');
    expect(name(config(root, { source: 'tegrastats' }))).toBe('tegrastats');
    expect(name(config(root, { source: 'none' }))).toBeUndefined();
    expect(name(config(root, { replay: { file: 'x.jsonl' } }))).toBe('replay');
    expect(await boardFacts(config(root))).toMatchObject({
      source: 'sysfs',
      tegrastats: { file: '/bin/true' },
      gpuLoad: true,
      rails: { found: 4, readable: ['VDD_GPU_SOC', 'VDD_CPU_CV', 'VIN_SYS_5V0', 'VDDQ_VDD2_1V8AO'] },
      throttling: true,
    });
    board?.take('sys/class/hwmon');
    expect(name(config(root))).toBe('tegrastats');
    expect(name(config(root, { command: ['/not/there'] }))).toBe('sysfs');
    board?.take('sys/class/devfreq');
    expect(name(config(root, { command: ['/not/there'] }))).toBe('tegrastats');
    board?.remove();
    expect(name(config(root))).toBeUndefined();
  });
});

describe('throttling', () => {
  it('is what cooling devices do that are no fans, and over-current events since the last look', async () => {
    const { root } = place(ORIN);
    const throttling = new Throttling(new SystemFiles(root));
    expect(throttling.blind).toBe(false);
    // Three events before anybody looked say nothing about now.
    expect(await throttling.read()).toEqual([]);
    board?.write('sys/class/thermal/cooling_device2/cur_state', '1\n');
    board?.write('sys/class/hwmon/hwmon5/oc1_event_cnt', '5\n');
    expect(await throttling.read()).toEqual(['gpu-throttle-alert', 'oc1']);
    expect(throttling.events).toBe(2);
    board?.write('sys/class/thermal/cooling_device2/cur_state', '0\n');
    expect(await throttling.read()).toEqual([]);
    expect(new Throttling(new SystemFiles('/nowhere')).blind).toBe(true);
  });
});
