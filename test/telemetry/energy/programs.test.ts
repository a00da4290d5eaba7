import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { EnergySource } from '../../../src/telemetry/energy/energy-source.js';
import { openEnergySource, tryEnergySources } from '../../../src/telemetry/energy/open-source.js';
import { BatterySource } from '../../../src/telemetry/energy/sources/battery.js';
import { IpmiSource } from '../../../src/telemetry/energy/sources/ipmi.js';
import { NvidiaSource } from '../../../src/telemetry/energy/sources/nvidia.js';
import { PerfSource } from '../../../src/telemetry/energy/sources/perf.js';
import { cleanAfterEach } from '../../backends/support/temporary.js';
import { FakeMachine, topology } from './fakes/machine.js';

/** What programs and batteries say, and how they are asked: stand-ins that write what the real ones do. */

cleanAfterEach();

async function opened<Source extends EnergySource, T>(source: Source, use: (source: Source) => Promise<T>): Promise<T> {
  try {
    await source.open();
    return await use(source);
  } finally {
    await source.close();
  }
}

describe('perf', () => {
  const POWER = 'sys/bus/event_source/devices/power/events';
  const machine = (): FakeMachine =>
    new FakeMachine().files({
      [`${POWER}/energy-pkg`]: 'event=0x02',
      [`${POWER}/energy-pkg.scale`]: '2.3283064365386962890625e-10',
      [`${POWER}/energy-ram`]: 'event=0x03',
      [`${POWER}/energy-cores`]: 'event=0x01',
      [`${POWER}/energy-other`]: 'event=0x0f',
      ...topology([[0], [1]]),
    });
  const LINES = [
    'S0,1,2.00,Joules,power/energy-pkg/,20000000,100.00,,',
    'S1,1,1.00,Joules,power/energy-pkg/,20000000,100.00,,',
    'S0,1,0.25,Joules,power/energy-ram/,20000000,100.00,,',
    'S1,1,<not counted>,Joules,power/energy-ram/,0,0.00,,',
    'S0,1,1.50,Joules,power/energy-cores/,20000000,100.00,,',
    'S1,1,0.50,Joules,power/energy-cores/,20000000,100.00,,',
    '',
  ].join('\n');

  it('counts the events that there are, of all packages, and flags what was not counted', async () => {
    const fake = machine().program('perf', { lines: LINES });
    await opened(new PerfSource(fake.config().energy), async (source) => {
      const reading = await source.read();
      const times = Math.round((reading.domains[0]?.joules ?? 0) / 2);
      expect(reading.domains.map(({ name, joules, feeds, inTotal }) => [name, joules / times, feeds, inTotal])).toEqual(
        [
          ['package-0', 2, 'cpu', true],
          ['package-1', 1, 'cpu', true],
          ['package-0/dram', 0.25, 'memory', true],
          ['package-0/core', 1.5, 'cpu', false],
          ['package-1/core', 0.5, 'cpu', false],
        ],
      );
      expect(reading.joules).toBe(3.25 * times);
      expect(reading.estimated).toBe(true);
      // Of the interval, which is 20 ms.
      expect(reading.watts).toBeCloseTo(3.25 / 0.02, 3);
      fake.control('perf', 'lines', LINES.replace('<not counted>', '0.5'));
      await expect.poll(async () => (await source.read()).estimated).toBe(false);
    });
    const said = fake.left('perf', 'arguments') ?? '';
    expect(said).toContain('power/energy-cores/,power/energy-pkg/,power/energy-ram/');
    expect(said).toMatch(/--interval-print 20 .*--log-fd 1/);
  });

  it('goes on counting when perf was killed and is there again', async () => {
    const fake = machine().program('perf', { lines: LINES });
    await opened(new PerfSource(fake.config().energy), async (source) => {
      await source.read();
      const before = fake.left('perf', 'arguments')?.split('\n').length ?? 0;
      fake.killAll();
      await expect.poll(() => fake.left('perf', 'arguments')?.split('\n').length ?? 0).toBeGreaterThan(before);
      const { joules } = await source.read();
      await expect.poll(async () => (await source.read()).joules).toBeGreaterThan(joules);
    });
  });
});

describe('nvidia', () => {
  it('integrates each GPU, and flags one that does not tell', async () => {
    const fake = new FakeMachine().program('nvidia-smi', { gpus: '0, 100.00\n1, [N/A]\n2, 50.00 W\n' });
    await opened(new NvidiaSource(fake.config().energy), async (source) => {
      await expect.poll(async () => (await source.read()).joules).toBeGreaterThan(0);
      const reading = await source.read();
      expect(reading.domains.map(({ name, watts, feeds }) => [name, watts, feeds])).toEqual([
        ['gpu-0', 100, 'gpu'],
        ['gpu-1', 0, 'gpu'],
        ['gpu-2', 50, 'gpu'],
      ]);
      expect(reading).toMatchObject({ watts: 150, estimated: true });
      const [first, , third] = reading.domains;
      expect((first?.joules ?? 0) / (third?.joules ?? 1)).toBeCloseTo(2, 6);
    });
    expect(fake.left('nvidia-smi', 'arguments')).toContain('--format=csv,noheader,nounits -lms 100');
  });

  it('waits for all lines of a round, and no longer when a GPU is gone', async () => {
    const fake = new FakeMachine().program('nvidia-smi', { gpus: '0, 100\n1, 50\n', slowly: '' });
    await opened(new NvidiaSource(fake.config().energy), async (source) => {
      await expect.poll(async () => (await source.read()).domains.length).toBe(2);
      let { atUs } = await source.read();
      for (let reading = 0; reading < 3; reading++) {
        await expect.poll(async () => (await source.read()).atUs).toBeGreaterThan(atUs);
        const next = await source.read();
        expect(next).toMatchObject({ watts: 150, estimated: false });
        atUs = next.atUs;
      }
      fake.control('nvidia-smi', 'gpus', '1, 50\n');
      await expect.poll(async () => (await source.read()).watts).toBe(50);
      expect(await source.read()).toMatchObject({ estimated: true });
    });
  });

  it('says that the driver is not there', async () => {
    const said = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n";
    const fake = new FakeMachine().program('nvidia-smi', { refuse: said });
    const source = new NvidiaSource(fake.config().energy);
    await expect(source.open()).rejects.toMatchObject({ code: 'missing', remedy: 'sudo modprobe nvidia' });
    await source.close();
  });
});

describe('ipmi', () => {
  const refused = async (said: string, energy = {}): Promise<unknown> => {
    const fake = new FakeMachine().program('ipmitool', { watts: '200', refuse: said });
    const { command } = fake.config().energy.ipmi;
    const source = new IpmiSource(fake.config({ ipmi: { command, ...energy } }).energy);
    return source.open().catch((error: unknown) => error);
  };

  it('asks one question at a time, and gives its answer to all who ask meanwhile', async () => {
    const fake = new FakeMachine().program('ipmitool', { watts: '220' });
    await opened(new IpmiSource(fake.config().energy), async (source) => {
      const before = fake.left('ipmitool', 'arguments')?.split('\n').length ?? 0;
      const readings = await Promise.all([source.read(), source.read(), source.read()]);
      expect(new Set(readings).size).toBe(1);
      expect(readings[0]).toMatchObject({ watts: 220, domains: [{ name: 'system', feeds: 'all', inTotal: true }] });
      expect(fake.left('ipmitool', 'arguments')?.split('\n').length).toBe(before + 1);
      expect(fake.left('ipmitool', 'overlapped')).toBeNull();
    });
    expect(fake.left('ipmitool', 'arguments')?.split('\n')[0]).toBe('dcmi power reading');
  });

  it('asks over the network with the password in a file, never among the arguments', async () => {
    const fake = new FakeMachine().program('ipmitool', { watts: '300' });
    const file = join(fake.root, 'password');
    writeFileSync(file, 'secret');
    const { command } = fake.config().energy.ipmi;
    const ipmi = { command, address: '127.0.0.9', user: 'reader', passwordFile: file };
    await opened(new IpmiSource(fake.config({ ipmi }).energy), async (source) => {
      expect((await source.read()).watts).toBe(300);
    });
    const said = fake.left('ipmitool', 'arguments') ?? '';
    expect(said).toContain(`-I lanplus -H 127.0.0.9 -U reader -f ${file} dcmi power reading`);
    expect(said).not.toContain('secret');
    expect(readFileSync(file, 'utf8')).toBe('secret');
  });

  it('asks nothing over the network without one', async () => {
    const fake = new FakeMachine().program('ipmitool', { watts: '300' });
    const source = new IpmiSource(fake.config({ ipmi: { address: '127.0.0.9' } }).energy);
    await expect(source.open()).rejects.toThrow(/passwordFile/);
    expect(fake.left('ipmitool', 'arguments')).toBeNull();
  });

  it.each([
    [
      'Could not open device at /dev/ipmi0 or /dev/ipmi/0 or /dev/ipmidev/0: No such file or directory',
      'missing',
      'sudo modprobe -a ipmi_si ipmi_devintf',
    ],
    [
      'Could not open device at /dev/ipmi0 or /dev/ipmi/0: Permission denied',
      'forbidden',
      'sudo chmod a+rw /dev/ipmi0',
    ],
    ['DCMI request failed because: Invalid command (c1)', 'missing', null],
    ['Error: Unable to establish IPMI v2 / RMCP+ session: RAKP 2 HMAC is invalid', 'forbidden', null],
    ['Segmentation fault', 'failed', null],
  ])('understands "%s"', async (said, code, remedy) => {
    expect(await refused(said)).toMatchObject({ name: 'EnergySourceError', code, remedy });
  });

  it.each([
    ['0', 'activated'],
    ['230', 'deactivated'],
  ])('takes %s W, %s, for no reading', async (watts, state) => {
    const fake = new FakeMachine().program('ipmitool', { watts, state });
    await expect(new IpmiSource(fake.config().energy).open()).rejects.toMatchObject({ name: 'EnergySourceError' });
  });
});

describe('battery', () => {
  const SUPPLY = 'sys/class/power_supply';

  it('adds up what discharges, from power or from current and voltage, and no battery of a mouse', async () => {
    const fake = new FakeMachine().files({
      [`${SUPPLY}/AC/type`]: 'Mains',
      [`${SUPPLY}/hidpp_battery_0/type`]: 'Battery',
      [`${SUPPLY}/hidpp_battery_0/scope`]: 'Device',
      [`${SUPPLY}/BAT0/type`]: 'Battery',
      [`${SUPPLY}/BAT0/status`]: 'Discharging',
      [`${SUPPLY}/BAT0/power_now`]: 8_000_000,
      [`${SUPPLY}/BAT1/type`]: 'Battery',
      [`${SUPPLY}/BAT1/status`]: 'Discharging',
      [`${SUPPLY}/BAT1/current_now`]: -500_000,
      [`${SUPPLY}/BAT1/voltage_now`]: 12_000_000,
    });
    await opened(new BatterySource(fake.config().energy), async (source) => {
      const reading = await source.read();
      expect(reading).toMatchObject({ watts: 14, estimated: false });
      expect(reading.domains.map(({ name, watts }) => [name, watts])).toEqual([
        ['BAT0', 8],
        ['BAT1', 6],
      ]);
      fake.files({ [`${SUPPLY}/BAT0/status`]: 'Not charging' });
      expect((await source.read()).watts).toBe(6);
      fake.remove(`${SUPPLY}/BAT1/current_now`).files({ [`${SUPPLY}/BAT0/status`]: 'Discharging' });
      expect(await source.read()).toMatchObject({ watts: 8, estimated: true });
    });
  });

  it('leaves out the time on mains', async () => {
    const fake = new FakeMachine().files({
      [`${SUPPLY}/BAT0/type`]: 'Battery',
      [`${SUPPLY}/BAT0/status`]: 'Discharging',
      [`${SUPPLY}/BAT0/power_now`]: 1e12,
    });
    await opened(new BatterySource(fake.config().energy), async (source) => {
      await expect.poll(async () => (await source.read()).joules).toBeGreaterThan(0);
      const { joules } = await source.read();
      fake.files({ [`${SUPPLY}/BAT0/status`]: 'Charging' });
      await expect(source.read()).rejects.toThrow('it does not run on its battery (BAT0: Charging)');
      fake.files({ [`${SUPPLY}/BAT0/status`]: 'Discharging' });
      expect(await source.read()).toMatchObject({ joules, estimated: true });
    });
  });
});

describe('which source is read', () => {
  const log = { lines: [] as unknown[], info: (fields: unknown) => log.lines.push(fields) };

  it('is the first that can be, and the reasons of the others are told', async () => {
    const fake = new FakeMachine().program('ipmitool', { watts: '100' });
    log.lines.length = 0;
    const source = await openEnergySource(
      fake.config({ source: 'auto', ipmi: { command: fake.config().energy.ipmi.command } }),
      log,
    );
    try {
      expect(source?.name).toBe('ipmi');
      expect(log.lines).toHaveLength(1);
      const { passedOver } = log.lines[0] as { passedOver: string[] };
      expect(passedOver.map((reason) => reason.split(':')[0])).toEqual(
        expect.arrayContaining(['rapl', 'rapl-msr', 'perf', 'nvidia']),
      );
      expect((await source?.read())?.watts).toBe(100);
    } finally {
      await source?.close();
    }
  });

  it('is none when none is configured, the one that is named, or an error that names all', async () => {
    const fake = new FakeMachine();
    expect(await openEnergySource(fake.config(), log)).toBeNull();
    await expect(openEnergySource(fake.config({ source: 'rapl' }), log)).rejects.toMatchObject({ code: 'missing' });
    await expect(openEnergySource(fake.config({ source: 'auto' }), log)).rejects.toThrow(/rapl: .*ipmi: .*battery: /s);
  });

  it('tries all that are asked for and leaves nothing open', async () => {
    const fake = new FakeMachine().program('ipmitool', { watts: '100' }).program('nvidia-smi', { gpus: '0, 10\n' });
    const trials = await tryEnergySources(['ipmi', 'nvidia', 'battery'], fake.config());
    expect(trials.map(({ name, error, reading }) => [name, error?.code ?? null, reading?.watts ?? null])).toEqual([
      ['ipmi', null, 100],
      ['nvidia', null, 10],
      ['battery', 'missing', null],
    ]);
    expect(fake.processes()).toEqual([]);
  });
});
