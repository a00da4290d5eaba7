import { afterEach, describe, expect, it } from 'vitest';
import { workerConfigSchema } from '../../src/config/schema.js';
import { available, HostPressure, type PressureReading, stalledUs } from '../../src/worker/host-pressure.js';
import { PressureMonitor } from '../../src/worker/pressure-monitor.js';

/**
 * The monitor with readings that the test makes up: a machine cannot be brought short of memory without harm to whatever else runs on it. That a worker evicts is shown with
 * real ones in test/worker/limits.test.ts.
 */

const FINE: PressureReading = { stalledUs: 0, availablePercent: 60 };

class World {
  reading: PressureReading = FINE;
  idleContainers = 100;
  readonly asked: number[] = [];
  nowUs = 0;
  readonly monitor: PressureMonitor;

  constructor(settings: Partial<ReturnType<typeof settingsOf>> = {}) {
    this.monitor = new PressureMonitor({
      engine: this,
      source: { read: () => this.reading },
      settings: { ...settingsOf(), watch: 'always', checkMs: 1_000_000, ...settings },
      now: () => this.nowUs,
      task: { pauseMs: 0, run: (work) => work() },
      log: { warn: () => {}, info: () => {} },
    });
    worlds.push(this);
  }

  memoryPressure(most: number): number {
    this.asked.push(most);
    const evicted = Math.min(most, this.idleContainers);
    this.idleContainers -= evicted;
    return evicted;
  }

  /** A second later; how many were asked for. */
  look(reading: Partial<PressureReading>): number {
    this.nowUs += 1_000_000;
    this.reading = { ...this.reading, ...reading };
    const before = this.asked.length;
    this.monitor.check();
    return this.asked[before] ?? 0;
  }
}

const worlds: World[] = [];
afterEach(() => {
  for (const { monitor } of worlds.splice(0)) monitor.stop();
});

function settingsOf() {
  return workerConfigSchema.parse({}).memory.pressure;
}

describe('the pressure monitor', () => {
  it('evicts more at each look while memory is short, and stops between its thresholds only from above', () => {
    const world = new World();
    expect([8, 4.9, 4, 6, 9.9].map((availablePercent) => world.look({ availablePercent }))).toEqual([0, 1, 2, 4, 8]);
    expect(world.monitor.short).toBe(true);
    expect([10, 8, 5, 4].map((availablePercent) => world.look({ availablePercent }))).toEqual([0, 0, 0, 1]);
  });

  it('goes by the time that tasks were stalled since the last look, not before it watched', () => {
    const world = new World();
    expect(world.look({ stalledUs: 90_000_000 })).toBe(0);
    expect(world.look({ stalledUs: 90_099_000 })).toBe(0);
    expect(world.look({ stalledUs: 90_199_000 })).toBe(1);
    expect(world.look({ stalledUs: 90_219_000 })).toBe(2);
    expect(world.look({ stalledUs: 90_229_000 })).toBe(0);
    expect(world.monitor.short).toBe(false);
  });

  it('needs either: a machine without PSI goes by what is available', () => {
    const world = new World();
    expect(world.look({ stalledUs: null })).toBe(0);
    expect(world.look({ stalledUs: null, availablePercent: 1 })).toBe(1);
  });

  it('has no timer without anything idle, or anything to watch for', () => {
    const world = new World({ watch: 'auto' });
    world.monitor.arm();
    expect(world.monitor.armed).toBe(false);
    world.monitor.unlimitedFunctions(true);
    expect(world.monitor.armed).toBe(true);
    world.idleContainers = 1;
    expect(world.look({ availablePercent: 1 })).toBe(1);
    expect(world.monitor.armed).toBe(false);
    world.monitor.arm();
    expect(world.monitor.armed).toBe(false);
    world.idleContainers = 1;
    world.monitor.arm();
    expect(world.monitor.armed).toBe(true);
    world.monitor.stop();
    world.monitor.arm();
    expect(world.monitor.armed).toBe(false);
  });

  it('stops watching with the last function that has no limit, and never watches when told so', () => {
    const world = new World({ watch: 'auto' });
    world.monitor.unlimitedFunctions(true);
    world.monitor.unlimitedFunctions(false);
    world.look({ availablePercent: 50 });
    expect(world.monitor.armed).toBe(false);
    const never = new World({ watch: 'never' });
    never.monitor.unlimitedFunctions(true);
    expect(never.monitor.armed).toBe(false);
  });
});

describe('the host', () => {
  it('is read in the words of the kernel', () => {
    const pressure =
      'some avg10=1.00 avg60=0.00 avg300=0.00 total=123456\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n';
    expect(stalledUs(pressure)).toBe(123_456);
    expect(stalledUs('')).toBe(null);
    expect(available('MemTotal:        2000 kB\nMemFree:  1 kB\nMemAvailable:     500 kB\n')).toBe(25);
    expect(available('MemTotal: 2000 kB\n')).toBe(100);
  });

  it('says something sensible here', () => {
    const { stalledUs: stalled, availablePercent } = new HostPressure().read();
    expect(stalled === null || stalled >= 0).toBe(true);
    expect(availablePercent).toBeGreaterThan(0);
    expect(availablePercent).toBeLessThanOrEqual(100);
  });
});
