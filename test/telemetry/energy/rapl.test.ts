import { describe, expect, it } from 'vitest';
import type { EnergyReading, EnergySource } from '../../../src/telemetry/energy/energy-source.js';
import { RaplSource } from '../../../src/telemetry/energy/sources/rapl.js';
import { RaplMsrSource } from '../../../src/telemetry/energy/sources/rapl-msr.js';
import { cleanAfterEach } from '../../backends/support/temporary.js';
import { cpuinfo, FakeMachine, topology } from './fakes/machine.js';

/** What is counted, in which unit, and what is inside what: on generated trees. */

cleanAfterEach();

async function opened<T>(source: EnergySource, use: () => Promise<T>): Promise<T> {
  try {
    await source.open();
    return await use();
  } finally {
    await source.close();
  }
}

function domainsOf({ domains }: EnergyReading): Record<string, [joules: number, feeds: string, inTotal: boolean]> {
  return Object.fromEntries(
    domains.map(({ name, joules, feeds, inTotal }) => [name, [Number(joules.toFixed(6)), feeds, inTotal]]),
  );
}

const CLASS = 'sys/class/powercap';

function zone(id: string, name: string, uj: number, rangeUj = 262_143_328_850): Record<string, string | number> {
  const folder = `${CLASS}/intel-rapl:${id}`;
  return { [`${folder}/name`]: name, [`${folder}/energy_uj`]: uj, [`${folder}/max_energy_range_uj`]: rangeUj };
}

describe('rapl', () => {
  it('adds up packages and their memory, and neither what is inside them nor the platform', async () => {
    const machine = new FakeMachine().files({
      ...zone('0', 'package-0', 1_000_000),
      ...zone('0:0', 'core', 1_000_000),
      ...zone('0:1', 'uncore', 1_000_000),
      ...zone('0:2', 'dram', 1_000_000, 65_712_999_613),
      ...zone('1', 'package-1', 1_000_000),
      ...zone('1:0', 'dram', 1_000_000, 65_712_999_613),
      ...zone('2', 'psys', 1_000_000),
      // Counts package 0 once more.
      [`${CLASS}/intel-rapl-mmio:0/name`]: 'package-0',
      [`${CLASS}/intel-rapl-mmio:0/energy_uj`]: 5,
      [`${CLASS}/intel-rapl-mmio:0/max_energy_range_uj`]: 262_143_328_850,
      [`${CLASS}/intel-rapl/enabled`]: 1,
    });
    const source = new RaplSource(machine.config().energy);
    await opened(source, async () => {
      machine.files({
        ...zone('0', 'package-0', 1_300_000),
        ...zone('0:0', 'core', 1_200_000),
        ...zone('0:1', 'uncore', 1_050_000),
        ...zone('0:2', 'dram', 1_010_000, 65_712_999_613),
        ...zone('1', 'package-1', 1_100_000),
        ...zone('1:0', 'dram', 1_020_000, 65_712_999_613),
        ...zone('2', 'psys', 1_390_000),
      });
      const reading = await source.read();
      expect(domainsOf(reading)).toEqual({
        'package-0': [0.3, 'cpu', true],
        'package-0/core': [0.2, 'cpu', false],
        'package-0/uncore': [0.05, 'gpu', false],
        'package-0/dram': [0.01, 'memory', true],
        'package-1': [0.1, 'cpu', true],
        'package-1/dram': [0.02, 'memory', true],
        psys: [0.39, 'all', false],
      });
      expect(reading.joules).toBeCloseTo(0.43, 9);
      expect(reading.estimated).toBe(false);
    });
  });

  it('goes on where a counter begins again', async () => {
    const range = 262_143_328_850;
    const machine = new FakeMachine().files(zone('0', 'package-0', range - 50_000));
    const source = new RaplSource(machine.config().energy);
    await opened(source, async () => {
      machine.files(zone('0', 'package-0', 150_000));
      const reading = await source.read();
      expect(reading.joules).toBeCloseTo(0.2, 9);
      expect(reading.estimated).toBe(false);
      expect(reading.watts).toBeGreaterThan(0);
    });
  });

  it('flags what it cannot know: a range that is over sooner than it is read, a counter that was set back', async () => {
    // At 2 kW, a hundredth of a second: between any two readings it may have begun again.
    const short = new FakeMachine().files(zone('0', 'package-0', 0, 20_000_000));
    const quick = new RaplSource(short.config().energy);
    await opened(quick, async () => expect((await quick.read()).estimated).toBe(true));
    const machine = new FakeMachine().files(zone('0', 'package-0', 100_000_000_000));
    const source = new RaplSource(machine.config().energy);
    await opened(source, async () => {
      machine.files(zone('0', 'package-0', 70_000));
      expect(await source.read()).toMatchObject({ joules: expect.closeTo(0.07, 9), estimated: true });
      expect(await source.read()).toMatchObject({ joules: expect.closeTo(0.07, 9), estimated: false });
    });
  });

  it('keeps the joules of a package that is gone, and flags the total', async () => {
    const machine = new FakeMachine().files({ ...zone('0', 'package-0', 0), ...zone('1', 'package-1', 0) });
    const source = new RaplSource(machine.config().energy);
    await opened(source, async () => {
      machine.files({ ...zone('0', 'package-0', 100_000), ...zone('1', 'package-1', 50_000) });
      expect((await source.read()).joules).toBeCloseTo(0.15, 9);
      machine.files(zone('0', 'package-0', 200_000)).remove(`${CLASS}/intel-rapl:1`);
      const reading = await source.read();
      expect(reading.joules).toBeCloseTo(0.25, 9);
      expect(reading.estimated).toBe(true);
      machine.files({ [`${CLASS}/intel-rapl:0/energy_uj`]: 'none' }).files(zone('1', 'package-1', 60_000));
      expect((await source.read()).joules).toBeCloseTo(0.26, 9);
      machine.files({ [`${CLASS}/intel-rapl:1/energy_uj`]: '' });
      await expect(source.read()).rejects.toThrow(/energy_uj says ""|says "none"/);
    });
  });

  it('names packages of several dies as the kernel does', async () => {
    const machine = new FakeMachine().files({ ...zone('0', 'package-0-die-0', 0), ...zone('1', 'package-0-die-1', 0) });
    const source = new RaplSource(machine.config().energy);
    await opened(source, async () => {
      const names = (await source.read()).domains.map(({ name, inTotal }) => [name, inTotal]);
      expect(names).toEqual([
        ['package-0-die-0', true],
        ['package-0-die-1', true],
      ]);
    });
  });
});

describe('rapl-msr', () => {
  /** 2^-14 J, 61 µJ: what most processors of Intel say; AMD says 2^-16 J. */
  const UNIT_14 = 0xa0e03;
  const UNIT_16 = 0xa1003;
  const END = { 1792: 0 };

  it('asks one CPU of each package, in the unit that it says', async () => {
    const machine = new FakeMachine()
      .files({
        ...cpuinfo('GenuineIntel', 6, 0x9e),
        ...topology([
          [0, 2],
          [1, 3],
        ]),
      })
      .registers(0, { 1542: UNIT_14, 1553: 100, 1561: 10, 1593: 7, ...END })
      .registers(1, { 1542: UNIT_14, 1553: 200, ...END });
    const source = new RaplMsrSource(machine.config().energy);
    await opened(source, async () => {
      machine.registers(0, { 1553: 100 + 2 ** 13, 1561: 10 + 2 ** 12, 1593: 7 + 2 ** 11 });
      machine.registers(1, { 1553: 200 + 2 ** 12 });
      const reading = await source.read();
      // Counters that stand at 0 are not there.
      expect(domainsOf(reading)).toEqual({
        'package-0': [0.5, 'cpu', true],
        'package-0/dram': [0.25, 'memory', true],
        'package-0/core': [0.125, 'cpu', false],
        'package-1': [0.25, 'cpu', true],
      });
      expect(reading.joules).toBe(1);
    });
  });

  it('knows that the memory of some servers counts in a unit of its own', async () => {
    for (const [model, joules] of [
      [0x55, 15.3e-6 * 1000],
      [0x8f, 1000 / 2 ** 14],
    ] as const) {
      const machine = new FakeMachine()
        .files({ ...cpuinfo('GenuineIntel', 6, model), ...topology([[0]]) })
        .registers(0, { 1542: UNIT_14, 1553: 1, 1561: 1, ...END });
      const source = new RaplMsrSource(machine.config().energy);
      await opened(source, async () => {
        machine.registers(0, { 1561: 1001 });
        const dram = (await source.read()).domains.find(({ name }) => name === 'package-0/dram');
        expect(dram?.joules).toBeCloseTo(joules, 9);
      });
    }
  });

  it('knows Atoms that count in µJ', async () => {
    const machine = new FakeMachine()
      .files({ ...cpuinfo('GenuineIntel', 6, 0x37), ...topology([[0]]) })
      .registers(0, { 1542: 0x505, 1553: 1, ...END });
    const source = new RaplMsrSource(machine.config().energy);
    await opened(source, async () => {
      machine.registers(0, { 1553: 1001 });
      expect((await source.read()).joules).toBeCloseTo(0.032, 9);
    });
  });

  it('reads AMD’s registers, and goes on where 32 bits are over', async () => {
    const machine = new FakeMachine()
      .files({ ...cpuinfo('AuthenticAMD', 0x19, 1), ...topology([[0, 1]]) })
      // What is above the counter's 32 bits is not of it.
      .registers(0, { 3221291673: UNIT_16, 3221291675: 0x7_ffff_fff0 });
    const source = new RaplMsrSource(machine.config().energy);
    await opened(source, async () => {
      machine.registers(0, { 3221291675: 0x8_0000_7ff0 });
      expect(await source.read()).toMatchObject({ joules: 0.5, estimated: false });
    });
  });

  it('says so of a processor without such registers, and of one that does not show them', async () => {
    const unknown = new FakeMachine().files({ ...cpuinfo('AuthenticAMD', 0x15, 2), ...topology([[0]]) });
    await expect(new RaplMsrSource(unknown.config().energy).open()).rejects.toMatchObject({
      code: 'missing',
      remedy: null,
    });
    const hidden = new FakeMachine()
      .files({ ...cpuinfo('GenuineIntel', 6, 0x9e), ...topology([[0]]) })
      .registers(0, { 16: 1 });
    await expect(new RaplMsrSource(hidden.config().energy).open()).rejects.toMatchObject({
      code: 'missing',
      remedy: null,
    });
  });
});
