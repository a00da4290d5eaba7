import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeWith } from '../support/requirement.js';
import { testProgram } from '../support/test-program.js';
import { NotifySocket } from './support/notify-socket.js';
import { type RunningWorker, WorkerProcesses } from './support/worker-process.js';

/** Who feeds the watchdog: the main thread, and only while its shard lives or comes back. The test kills as a service manager would: when it hears nothing. */

const POLL = { timeout: 60_000, interval: 50 };
const WATCHDOG_MS = 1000;
const PROCESS = testProgram('daemon/support/supervised-process').filename;

describeWith({ command: ['python3', 'mkfifo'] }, 'the watchdog', () => {
  let workers: WorkerProcesses;

  beforeEach(() => {
    workers = new WorkerProcesses();
  });
  afterEach(async () => {
    await workers[Symbol.asyncDispose]();
  });

  function start(manager: NotifySocket, bringBackMs: number): RunningWorker {
    const env = { NOTIFY_SOCKET: manager.address, WATCHDOG_USEC: `${WATCHDOG_MS * 1000}` };
    return workers.spawn([workers.folder, `${bringBackMs}`], env, [process.execPath, PROCESS]);
  }

  it('is fed while a shard that hung is started again', async () => {
    using manager = await NotifySocket.open(workers.path('notify'));
    const worker = start(manager, 600_000);
    await expect.poll(() => manager.count('WATCHDOG=1'), POLL).toBeGreaterThan(0);
    workers.write('busy', '');
    await expect.poll(() => existsSync(workers.path('hung')), POLL).toBe(true);
    // Answered by the one that came after.
    await expect
      .poll(() => workers.run('ping', '--socket', workers.path('worker.sock')).then(({ code }) => code), POLL)
      .toBe(0);
    const before = manager.count('WATCHDOG=1');
    await expect.poll(() => manager.count('WATCHDOG=1'), POLL).toBeGreaterThan(before + 2);
    expect(worker.stderr).toBe('');
    worker.child.kill('SIGKILL');
    await worker.ended;
  }, 180_000);

  it('is left to end a process whose shard hangs and cannot be ended', async () => {
    execFileSync('mkfifo', [workers.path('fifo')]);
    using manager = await NotifySocket.open(workers.path('notify'));
    const worker = start(manager, 2000);
    await expect.poll(() => manager.count('WATCHDOG=1'), POLL).toBeGreaterThan(0);
    workers.write('stuck', '');
    await expect.poll(() => existsSync(workers.path('hung')), POLL).toBe(true);
    let heard = Date.now();
    let count = 0;
    const watch = setInterval(() => {
      const now = manager.count('WATCHDOG=1');
      if (now !== count) heard = Date.now();
      count = now;
      // Ten times as patient as was agreed, for a machine that is slow.
      if (Date.now() - heard > 10 * WATCHDOG_MS) worker.child.kill('SIGKILL');
    }, 50);
    const { signal } = await worker.ended;
    clearInterval(watch);
    expect(signal).toBe('SIGKILL');
    expect(worker.stderr).toContain('the watchdog is left to end this process');
  }, 180_000);
});
