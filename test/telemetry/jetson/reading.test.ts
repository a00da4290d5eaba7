import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readingOf } from '../../../src/telemetry/jetson/jetson-reading.js';
import { Smoothed } from '../../../src/telemetry/jetson/smoothed.js';
import { TegrastatsParser } from '../../../src/telemetry/jetson/tegrastats-parser.js';
import { orinLine } from '../../support/tegrastats.js';

/** From a line of tegrastats to what the monitor uses, and how that is smoothed. */

function read(line: string): ReturnType<typeof readingOf> {
  const [sample] = new TegrastatsParser().push(Buffer.from(`${line}\n`));
  return sample === undefined ? null : readingOf(sample, 5);
}

describe('a reading', () => {
  it('has what the line says', () => {
    expect(read(orinLine(99))).toMatchObject({ atUs: 5, gpu: { utilizationPercent: 99, freqMhz: 305 } });
  });

  it('takes a GPU that is switched off for idle, and does not know of one that says only its clock', () => {
    const utilization = (gpu: string): number | null | undefined => read(`RAM 1/2MB ${gpu}`)?.gpu.utilizationPercent;
    expect(utilization('GR3D_FREQ @[0,0,0]')).toBe(0);
    expect(utilization('GR3D_FREQ off')).toBe(0);
    expect(utilization('GR3D_FREQ @[1574,1574,0]')).toBeNull();
    expect(utilization('')).toBeNull();
    expect(utilization('GR3D_FREQ 41%')).toBe(41);
    expect(utilization('GR3D_FREQ 141%@[5]')).toBeNull();
  });

  it('leaves out constants and parts that are off, and counts rails of one name', () => {
    const reading = read('RAM 1/2MB CPU@50C GPU@-256C PMIC@100C VDD_IN 5mW/5mW NC 1mW/1mW NC 2mW/2mW');
    expect(reading?.temperatures).toEqual([{ name: 'CPU', tempC: 50 }]);
    expect(reading?.rails.map(({ name }) => name)).toEqual(['VDD_IN', 'NC', 'NC#1']);
  });

  it('is none for what says nothing of a board', () => {
    for (const line of ['tegrastats: some banner text', 'Unknown command', '']) expect(read(line)).toBeNull();
  });

  it('is never made of impossible values, whatever bytes come', () => {
    const pieces = fc.constantFrom(
      'GR3D_FREQ ',
      '5%@',
      '[3,x]',
      'RAM 9/1MB',
      'VDD_IN -4mW/3',
      'GPU@',
      '1e9C ',
      '@[',
      '%',
      'off ',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(pieces, fc.string()), { maxLength: 20 }), (parts) => {
        const reading = read(parts.join('').replaceAll('\n', ' '));
        if (reading === null) return;
        const { utilizationPercent } = reading.gpu;
        if (utilizationPercent !== null) expect(utilizationPercent >= 0 && utilizationPercent <= 100).toBe(true);
        if (reading.memory !== null) expect(reading.memory.usedMb).toBeLessThanOrEqual(reading.memory.totalMb);
      }),
    );
  });
});

describe('a smoothed value', () => {
  it('has its weight of the new one and the rest of what was', () => {
    const value = new Smoothed(0.6, 1000);
    expect([value.value, value.ageUs(5)]).toEqual([null, Number.POSITIVE_INFINITY]);
    value.add(100, 10);
    value.add(0, 20);
    expect(value.value).toBeCloseTo(40);
    value.add(50, 30);
    expect(value.value).toBeCloseTo(46);
    expect([value.ageUs(130), value.isFresh(1030), value.isFresh(1031)]).toEqual([100, true, false]);
  });

  it('begins anew after a gap', () => {
    const value = new Smoothed(0.6, 1000);
    value.add(100, 0);
    value.add(10, 1001);
    expect(value.value).toBe(10);
  });
});
