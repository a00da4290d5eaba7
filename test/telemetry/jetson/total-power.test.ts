import { describe, expect, it } from 'vitest';
import type { Rail } from '../../../src/telemetry/jetson/tegrastats-sample.js';
import { totalPower } from '../../../src/telemetry/jetson/total-power.js';

function rails(figures: Record<string, number | null>): Rail[] {
  return Object.entries(figures).map(([name, powerMw]) => ({ name, index: 0, powerMw, averageMw: 1, peakMw: 2 }));
}

describe('the power of a board', () => {
  it.each([
    ['VDD_IN', { VDD_CPU: 1, VDD_IN: 20, VIN: 30, POM_5V_IN: 40 }, 20],
    ['POM_5V_IN', { POM_5V_GPU: 1, POM_5V_IN: 20, VIN: 30 }, 20],
    ['VIN', { VDD_GPU: 1, VIN_SYS_5V0: 2, VIN: 30 }, 30],
    ['vdd_in', { vdd_in: 20 }, 20],
  ])('is what %s says where there is that', (name, figures, powerMw) => {
    expect(totalPower(rails(figures))).toEqual({ powerMw, rails: [name], estimated: false });
  });

  it('is otherwise an estimate: the sum of what is not inside another rail', () => {
    const orin = { VDD_GPU_SOC: 1, VDD_CPU_CV: 20, VIN_SYS_5V0: 300, NC: 4000, VDDQ_VDD2_1V8AO: 50_000 };
    expect(totalPower(rails(orin))).toEqual({
      powerMw: 321,
      rails: ['VDD_GPU_SOC', 'VDD_CPU_CV', 'VIN_SYS_5V0'],
      estimated: true,
    });
    const xavier = { GPU: 1, CPU: 20, SOC: 300, CV: 4000, VDDRQ: 50_000, SYS5V: 600_000 };
    expect(totalPower(rails(xavier))).toMatchObject({ powerMw: 654_321, estimated: true });
    const thor = { VDD_GPU: 1, VDD_CPU_SOC_MSS: 20, VIN_SYS_5V0: 300 };
    expect(totalPower(rails(thor))).toMatchObject({ powerMw: 321, estimated: true });
  });

  it('leaves out what has no figure', () => {
    expect(totalPower(rails({ VDD_IN: null, VDD_CPU: 5, VDD_GPU: null }))).toEqual({
      powerMw: 5,
      rails: ['VDD_CPU'],
      estimated: true,
    });
    expect(totalPower(rails({ VDD_IN: null }))).toBeNull();
    expect(totalPower(rails({ NC: 7 }))).toBeNull();
    expect(totalPower([])).toBeNull();
  });
});
