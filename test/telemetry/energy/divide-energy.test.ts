import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { divideEnergy } from '../../../src/telemetry/energy/divide-energy.js';

/** One interval, divided: literally all of it, to whom it belongs. */

/** Up to a megawatt for an hour. */
const microjoules = fc.oneof(
  fc.nat(1000),
  fc.nat(1_000_000_000),
  fc.maxSafeNat().map((n) => Math.floor(n / 3)),
);
const us = fc.oneof(fc.constant(0), fc.nat(100), fc.nat(3_600_000_000), fc.double({ min: 0, max: 1e9, noNaN: true }));

describe('the division of an interval’s energy', () => {
  it('adds up to what was measured, to the microjoule, and gives nobody less than nothing', () => {
    fc.assert(
      fc.property(
        fc.record({
          cpuUj: microjoules,
          gpuUj: microjoules,
          restUj: microjoules,
          idleCpuUj: microjoules,
          idleGpuUj: microjoules,
          machineCpuUs: us,
        }),
        fc.array(fc.record({ cpuUs: us, gpuUs: us }), { maxLength: 40 }),
        (interval, uses) => {
          const { shares, idleUj, otherUj } = divideEnergy(interval, uses);
          const sum = shares.reduce((all, share) => all + BigInt(share), 0n) + BigInt(idleUj) + BigInt(otherUj);
          expect(sum).toBe(BigInt(interval.cpuUj) + BigInt(interval.gpuUj) + BigInt(interval.restUj));
          for (const part of [...shares, idleUj, otherUj]) expect(part).toBeGreaterThanOrEqual(0);
          for (const [index, { cpuUs, gpuUs }] of uses.entries()) {
            if (cpuUs === 0 && gpuUs === 0) expect(shares[index]).toBe(0);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('gives each its part by its CPU time, within a microjoule', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 1, maxLength: 20 }), (times) => {
        const all = times.reduce((sum, time) => sum + time, 0);
        const uses = times.map((cpuUs) => ({ cpuUs, gpuUs: 0 }));
        const interval = { cpuUj: 50_000_000, gpuUj: 0, restUj: 0, idleCpuUj: 0, idleGpuUj: 0, machineCpuUs: 2 * all };
        const { shares } = divideEnergy(interval, uses);
        for (const [index, time] of times.entries()) {
          expect(Math.abs((shares[index] as number) - (25_000_000 * time) / all)).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it('keeps apart what the idle machine takes, what others do, and what is no processor’s', () => {
    const interval = {
      cpuUj: 30_000_000,
      gpuUj: 9_000_000,
      restUj: 2_000_000,
      idleCpuUj: 10_000_000,
      idleGpuUj: 1_000_000,
      machineCpuUs: 4_000_000,
    };
    const uses = [
      { cpuUs: 2_000_000, gpuUs: 0 },
      { cpuUs: 1_000_000, gpuUs: 500_000 },
    ];
    const divided = { shares: [10_000_000, 5_000_000 + 8_000_000], idleUj: 11_000_000, otherUj: 5_000_000 + 2_000_000 };
    expect(divideEnergy(interval, uses)).toEqual(divided);
  });

  it('gives everything above idling to others when no invocation ran', () => {
    const interval = { cpuUj: 30, gpuUj: 5, restUj: 1, idleCpuUj: 40, idleGpuUj: 0, machineCpuUs: 7 };
    expect(divideEnergy(interval, [])).toEqual({ shares: [], idleUj: 30, otherUj: 6 });
  });
});
