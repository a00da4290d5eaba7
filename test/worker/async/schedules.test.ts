import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkTimes, lastTime, nextTime } from '../../../src/worker/async/schedule-times.js';
import { rejection } from '../support/worker-fixture.js';
import { Rig } from './support/rig.js';
import { STORES, type StoreUnderTest } from './support/stores.js';

const POLL = { timeout: 20_000 };
const EVERY_SECOND = '* * * * * *';

describe.each(STORES)('schedules on %s', (_name, create) => {
  let stored: StoreUnderTest;
  let rig: Rig;

  beforeEach(async () => {
    stored = create();
    rig = await Rig.start({}, await stored.open());
    await rig.simulated('f', { result: '$args' });
  });
  afterEach(async () => {
    await rig[Symbol.asyncDispose]();
    await stored.remove();
  });

  /** Another life, which begins when this time has passed. */
  async function restart(after = 0): Promise<void> {
    await rig.end();
    await stored.close();
    await expect.poll(() => Date.now(), POLL).toBeGreaterThan(after);
    await rig.begin(await stored.open());
  }

  it('run a function at a time, once, with its arguments', async () => {
    const at = Date.now() + 300;
    const added = await rig.schedules.add({ id: 'soon', name: 'f', at }, { n: 7 });
    expect(added).toMatchObject({ id: 'soon', name: 'f', version: '1', at, cron: null, nextAt: at, lastAt: null });
    expect(await rig.schedules.list()).toEqual([added]);
    await expect.poll(() => rig.status().async.done, POLL).toBe(1);
    expect(rig.runs).toHaveLength(1);
    await expect.poll(() => rig.schedules.list(), POLL).toEqual([]);
    await restart();
    expect(await rig.schedules.list()).toEqual([]);
    expect(rig.runs).toHaveLength(1);
  });

  it('run a function again and again, each firing an invocation that can be asked for', async () => {
    await rig.schedules.add({ id: 'ticks', name: 'f', cron: EVERY_SECOND }, { n: 1 });
    await expect.poll(() => rig.status().async.done, POLL).toBeGreaterThanOrEqual(2);
    const [schedule] = await rig.schedules.list();
    expect(schedule?.nextAt).toBeGreaterThan(schedule?.lastAt as number);
    expect(await rig.result(schedule?.lastId as string)).toMatchObject({
      status: 'done',
      result: { result: { n: 1 } },
    });
    await rig.schedules.remove('ticks');
    expect(await rig.schedules.list()).toEqual([]);
    expect((await rejection(rig.schedules.remove('ticks'))).errorClass).toBe('not_found');
  });

  it('run once what fell due while no worker ran, or leave it out', async () => {
    // Far enough off that the worker has ended before it, also on a slow machine.
    const at = Date.now() + 5000;
    await rig.schedules.add({ id: 'late', name: 'f', at, missed: 'run' });
    await rig.schedules.add({ id: 'left-out', name: 'f', at, missed: 'skip' });
    await restart(at);
    await expect.poll(() => rig.status().async.done, POLL).toBe(1);
    expect(await rig.schedules.list()).toEqual([]);
    expect(rig.runs).toHaveLength(1);
  });

  it('fire a time once, however often the worker starts', async () => {
    const first = Date.now();
    await rig.schedules.add({ id: 'ticks', name: 'f', cron: EVERY_SECOND });
    for (let life = 0; life < 3; life++) {
      await expect.poll(() => rig.status().async.done, POLL).toBeGreaterThanOrEqual(1);
      await restart();
    }
    const begun = rig.runs.length;
    const [schedule] = await rig.schedules.list();
    // One at most for each second since the first.
    expect(begun).toBeLessThanOrEqual(Math.ceil(((schedule?.nextAt as number) - first) / 1000) + 1);
  });

  it('are refused where they cannot be', async () => {
    const refused = async (schedule: object) =>
      (await rejection(rig.schedules.add({ id: 'x', name: 'f', ...schedule } as never))).errorClass;
    expect(await refused({ cron: 'nonsense' })).toBe('invalid');
    expect(await refused({ cron: '0 0 31 2 *' })).toBe('invalid');
    expect(await refused({ cron: '0 0 * * *', timezone: 'Mars/Olympus' })).toBe('invalid');
    expect(await refused({})).toBe('invalid');
    expect(await refused({ cron: '0 0 * * *', at: 1 })).toBe('invalid');
    expect(await refused({ cron: '0 0 * * *', name: 'nobody' })).toBe('not_found');
    expect(await refused({ cron: '0 0 * * *', webhook: 'ftp://x' })).toBe('invalid');
    await rig.schedules.add({ id: 'x', name: 'f', cron: '0 0 * * *' });
    expect(await refused({ cron: '0 0 * * *' })).toBe('conflict');
    expect(await rig.schedules.list()).toHaveLength(1);
  });
});

describe('times of a schedule', () => {
  const at = (text: string): number => Date.parse(text);
  const daily = { cron: '30 2 * * *', timezone: 'Europe/Berlin', at: null };

  it('follow the time zone, over the change of its clocks', () => {
    expect(nextTime(daily, at('2026-01-10T00:00:00Z'))).toBe(at('2026-01-10T01:30:00Z'));
    expect(nextTime(daily, at('2026-07-10T00:00:00Z'))).toBe(at('2026-07-10T00:30:00Z'));
    // 02:30 does not exist that day, and there is one firing all the same.
    const gap = nextTime(daily, at('2026-03-28T12:00:00Z')) as number;
    expect(gap).toBeGreaterThan(at('2026-03-29T00:00:00Z'));
    expect(gap).toBeLessThan(at('2026-03-30T00:00:00Z'));
  });

  it('have a last one within a span, if any', () => {
    const hourly = { cron: '0 * * * *', timezone: 'UTC', at: null };
    expect(lastTime(hourly, at('2026-01-01T00:00:00Z'), at('2026-01-01T00:59:59Z'))).toBeNull();
    expect(lastTime(hourly, at('2026-01-01T00:30:00Z'), at('2026-01-01T05:10:00Z'))).toBe(at('2026-01-01T05:00:00Z'));
    expect(lastTime(hourly, at('2026-01-01T00:30:00Z'), at('2026-01-01T05:00:00Z'))).toBe(at('2026-01-01T05:00:00Z'));
    const once = { cron: null, timezone: 'UTC', at: 1000 };
    expect([lastTime(once, 0, 999), lastTime(once, 0, 1000), lastTime(once, 1000, 2000)]).toEqual([null, 1000, null]);
    expect([nextTime(once, 999), nextTime(once, 1000)]).toEqual([1000, null]);
  });

  it('are refused when they never come', () => {
    expect(() => checkTimes({ cron: '0 0 30 2 *', timezone: 'UTC', at: null }, 0)).toThrow('never comes');
    expect(() => checkTimes({ cron: '1 2', timezone: 'UTC', at: null }, 0)).toThrow('refused');
  });
});
