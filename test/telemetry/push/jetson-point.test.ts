import { describe, expect, it } from 'vitest';
import { jetsonFields } from '../../../src/telemetry/push/jetson-point.js';

describe('what is pushed of a Jetson', () => {
  const COUNTERS = { readings: 1, odd: 0, restarts: 0, overCurrentEvents: 0, losses: 0 };

  it('has a value for what is known, and nothing for what is not', () => {
    const fields = jetsonFields({
      board: null,
      source: 'tegrastats',
      stale: true,
      gpu: { utilizationPercent: null, freqMhz: 305, ageMs: 1 },
      memory: { usedMb: 10, totalMb: 20, ageMs: 1 },
      power: { totalMw: null, estimated: false, rails: [], ageMs: null },
      temperatures: [
        { name: 'cpu', tempC: -3 },
        { name: 'gpu', tempC: -5 },
      ],
      temperaturesAgeMs: 1,
      throttledBy: ['oc1', 'oc3'],
      counters: COUNTERS,
    });
    expect(fields.map(({ name, value, integer }) => [name, value, integer])).toEqual([
      ['gpu_freq_mhz', 305, false],
      ['memory_used_mb', 10, false],
      ['hottest_c', -3, false],
      ['throttled', 2, true],
      ['stale', 1, true],
    ]);
  });
});
