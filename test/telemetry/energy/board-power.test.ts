import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BoardPower, feedsOf } from '../../../src/telemetry/energy/sources/board-power.js';
import { totalPower } from '../../../src/telemetry/jetson/total-power.js';

/** Joules out of the rails of a board. */

describe('the energy of a board', () => {
  it('is a trapezoid over the times of the readings, in total that of the rail through which everything comes', () => {
    const power = new BoardPower(1e6);
    const rails = (inMw: number, gpuMw: number) => [
      { name: 'VDD_IN', powerMw: inMw },
      { name: 'VDD_CPU_GPU_CV', powerMw: gpuMw },
    ];
    expect(power.take(0, rails(4000, 1000), totalPower(rails(4000, 1000)))).toMatchObject({ joules: 0, watts: 4 });
    const reading = power.take(2e6, rails(6000, 2000), totalPower(rails(6000, 2000)));
    expect(reading).toMatchObject({
      joules: 10,
      watts: 6,
      estimated: false,
      domains: [
        { name: 'VDD_IN', joules: 10, feeds: 'all', inTotal: true },
        { name: 'VDD_CPU_GPU_CV', joules: 3, feeds: 'all', inTotal: false },
      ],
    });
  });

  it('is the sum of the rails that are measured where none measures all, and marked', () => {
    const power = new BoardPower(1e6);
    const rails = [
      { name: 'VDD_GPU_SOC', powerMw: 3000 },
      { name: 'VDD_CPU_CV', powerMw: 1000 },
      { name: 'VIN_SYS_5V0', powerMw: 4000 },
      { name: 'VDDQ_VDD2_1V8AO', powerMw: 1000 },
    ];
    power.take(0, rails, totalPower(rails));
    const reading = power.take(1e6, rails, totalPower(rails));
    expect(reading).toMatchObject({ joules: 8, watts: 8, estimated: true });
    expect(reading?.domains.find(({ name }) => name === 'VDDQ_VDD2_1V8AO')).toMatchObject({
      joules: 1,
      inTotal: false,
    });
  });

  it('never falls and is always the sum of its parts, whichever rails a reading lacks', () => {
    const names = ['VDD_IN', 'VDD_SOC', 'VDD_GPU_SOC', 'NC'];
    const rails = fc
      .subarray(names)
      .chain((some) =>
        fc.tuple(...some.map((name) => fc.record({ name: fc.constant(name), powerMw: fc.nat(60_000) }))),
      );
    fc.assert(
      fc.property(fc.array(fc.tuple(rails, fc.integer({ min: 1, max: 5_000_000 }))), (readings) => {
        const power = new BoardPower(1e6);
        let atUs = 0;
        let before = 0;
        for (const [now, stepUs] of readings) {
          atUs += stepUs;
          const reading = power.take(atUs, now, totalPower(now));
          if (reading === null) continue;
          expect(reading.joules).toBeGreaterThanOrEqual(before);
          before = reading.joules;
          const sum = reading.domains.reduce((joules, one) => joules + (one.inTotal ? one.joules : 0), 0);
          expect(reading.joules).toBeCloseTo(sum, 9);
        }
      }),
    );
  });

  it('is known by the name of the rail to feed this or that', () => {
    const expected = {
      all: ['VDD_IN', 'POM_5V_IN', 'VIN', 'VDD_CPU_GPU_CV'],
      gpu: ['VDD_GPU', 'GPU', 'POM_5V_GPU', 'VDD_SYS_GPU', 'VDD_GPU_SOC'],
      cpu: ['VDD_CPU', 'CPU', 'POM_5V_CPU', 'VDD_SYS_CPU', 'VDD_CPU_CV', 'VDD_CPU_SOC_MSS'],
      memory: ['VDD_DDR', 'VDD_SYS_DDR', 'VDDRQ', 'VDDQ_VDD2_1V8AO'],
      other: ['VDD_SOC', 'SYS5V', 'VIN_SYS_5V0', 'NC', 'VDD_WIFI'],
    };
    for (const [feeds, rails] of Object.entries(expected)) {
      expect(rails.map((rail) => `${rail} ${feedsOf(rail)}`)).toEqual(rails.map((rail) => `${rail} ${feeds}`));
    }
  });
});
