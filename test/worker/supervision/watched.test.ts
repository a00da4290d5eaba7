import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RestartBackOff } from '../../../src/core/restart-back-off.js';
import { BackgroundTask } from '../../../src/worker/supervision/background-task.js';
import { Beat, BeatWatch } from '../../../src/worker/supervision/beats.js';
import { WatchList } from '../../../src/worker/supervision/watch-list.js';
import { watchedReport } from '../../../src/worker/supervision/watched-report.js';

const SETTINGS = { firstMs: 100, longestMs: 1000, settledMs: 60_000, limit: 3, windowMs: 300_000 };

describe('the pauses between restarts', () => {
  it('double up to the longest, and begin anew after a while of running', () => {
    const backOff = new RestartBackOff(SETTINGS);
    expect([1, 2, 3, 4, 5, 6].map((now) => backOff.failed(now))).toEqual([100, 200, 400, 800, 1000, 1000]);
    backOff.started(10);
    expect(backOff.failed(10 + 59_999)).toBe(1000);
    backOff.started(100_000);
    expect(backOff.failed(100_000 + 60_000)).toBe(100);
  });

  it('say that it is too often exactly when more failures than the limit lie in the window', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 200_000 }), { maxLength: 40 }), fc.nat(400_000), (gaps, wait) => {
        const backOff = new RestartBackOff(SETTINGS);
        const times: number[] = [];
        let now = 1;
        for (const gap of gaps) {
          now += gap;
          times.push(now);
          backOff.failed(now);
        }
        now += wait;
        const recent = times.filter((time) => now - time <= SETTINGS.windowMs).length;
        expect(backOff.overLimit(now)).toBe(recent > SETTINGS.limit);
      }),
    );
  });
});

describe('a beat', () => {
  it('is missed for as long as its watcher has seen nothing of it', () => {
    const beat = new Beat(Beat.memory());
    const watch = new BeatWatch(100);
    expect(watch.look(beat.count, 1000)).toBe(0);
    expect(watch.look(beat.count, 1100)).toBe(100);
    expect(watch.look(beat.count, 1200)).toBe(200);
    beat.beat();
    expect(watch.look(beat.count, 1300)).toBe(0);
  });

  it('is not missed for a time in which the watcher stood still as well', () => {
    const beat = new Beat(Beat.memory());
    const watch = new BeatWatch(100);
    watch.look(beat.count, 1000);
    expect(watch.look(beat.count, 1_000_000)).toBe(200);
  });
});

describe('what is watched', () => {
  function world() {
    const lines: { level: string; fields: Record<string, unknown>; message: string }[] = [];
    const log = {
      error: (fields: Record<string, unknown>, message: string) => void lines.push({ level: 'error', fields, message }),
      warn: (fields: Record<string, unknown>, message: string) => void lines.push({ level: 'warn', fields, message }),
    };
    const clock = { now: 1 };
    return { lines, clock, list: new WatchList({ restart: SETTINGS, log, now: () => clock.now }) };
  }

  it('makes the worker unhealthy when it is critical and fails too often, and is only noted when it is not', () => {
    const { list, clock } = world();
    const [thread, task] = [list.thread('t', { critical: true }), list.task('b', { critical: false })];
    for (let i = 0; i < 4; i++) task.failed('error', new Error('task failed'));
    expect(watchedReport(list.health())).toMatchObject({
      healthy: true,
      notes: [expect.stringMatching(/task b keeps failing \(4 times, last: task failed\).*does without it/)],
    });
    for (let i = 0; i < 3; i++) thread.failed('hang', 'no beat');
    expect(watchedReport(list.health()).healthy).toBe(true);
    thread.failed('exit', 'code 1');
    expect(watchedReport(list.health())).toMatchObject({
      healthy: false,
      threads: [{ name: 't', failing: true, restarts: 4, causes: { hang: 3, exit: 1 }, lastError: 'code 1' }],
    });
    thread.running();
    clock.now += SETTINGS.windowMs + 1;
    expect(watchedReport(list.health())).toMatchObject({ healthy: true, notes: [], threads: [{ state: 'running' }] });
  });

  it('is logged by name and cause: what is critical as an error', () => {
    const { list, lines } = world();
    list.thread('t', { critical: true }).failed('hang', 'no beat');
    list.task('b', { critical: false }).failed('error', new Error('boom'));
    expect(lines).toMatchObject([
      { level: 'error', fields: { thread: 't', cause: 'hang', err: 'no beat', pauseMs: 100 } },
      { level: 'warn', fields: { task: 'b', cause: 'error', err: { message: 'boom' } } },
    ]);
  });

  it('goes on after what a background task has thrown or rejected with, later each time', async () => {
    const { list } = world();
    const task = new BackgroundTask(list.task('b', { critical: false }));
    task.run(() => {
      throw new Error('thrown');
    });
    expect(task.pauseMs).toBe(100);
    await task.runAsync(() => Promise.reject(new Error('rejected')));
    expect(task.pauseMs).toBe(200);
    expect(list.health()).toMatchObject([{ state: 'restarting', causes: { error: 2 }, lastError: 'rejected' }]);
    let done = false;
    task.run(() => {
      done = true;
    });
    expect([done, task.pauseMs, list.health()[0]?.state]).toEqual([true, 0, 'running']);
  });
});
