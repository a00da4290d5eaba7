import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeWith } from '../support/requirement.js';
import { NotifySocket } from './support/notify-socket.js';
import { WorkerProcesses } from './support/worker-process.js';

/** A worker as a service: what its manager hears over a real socket, from a real process. */

const POLL = { timeout: 50_000, interval: 50 };
const SLEEPER = 'import os, time\ndef main(args):\n    time.sleep(args.get("s", 0))\n    return sorted(os.environ)\n';

describeWith({ command: 'python3' }, 'a worker under a service manager', () => {
  let workers: WorkerProcesses;

  beforeEach(() => {
    workers = new WorkerProcesses();
  });
  afterEach(async () => {
    await workers[Symbol.asyncDispose]();
  });

  async function register(): Promise<void> {
    workers.write('sleeper/main.py', SLEEPER);
    const { code, stderr } = await workers.run('register', workers.path('sleeper'));
    expect([code, stderr]).toEqual([0, expect.anything()]);
  }

  async function somethingRuns(): Promise<void> {
    const client = await workers.client();
    await expect.poll(async () => (await client.status()).cpu.used, POLL).toBe(1);
    client.close();
  }

  it('is ready when it serves, and tells what it does and that it lives', async () => {
    using manager = await NotifySocket.open(workers.path('notify'));
    workers.spawn([], { NOTIFY_SOCKET: manager.address, WATCHDOG_USEC: '400000' });
    await expect.poll(() => manager.count('READY=1'), POLL).toBe(1);
    expect(manager.received[0]?.lines).toEqual(['READY=1', 'STATUS=running']);
    // At this very moment, not soon.
    const client = await workers.client();
    expect(await client.ping()).toMatchObject({ name: workers.name });
    client.close();
    await expect.poll(() => manager.count('WATCHDOG=1'), POLL).toBeGreaterThan(2);
    await register();
    await expect.poll(() => manager.said.findLast((line) => line.startsWith('STATUS=')), POLL).toContain('1 functions');
  });

  it('does not lend its name: what it starts has none of the manager’s words', async () => {
    using manager = await NotifySocket.open(`@iluvatar-test-${randomUUID()}`);
    workers.spawn([], { NOTIFY_SOCKET: manager.address, WATCHDOG_USEC: '60000000' });
    await expect.poll(() => manager.count('READY=1'), POLL).toBe(1);
    await register();
    const { stdout } = await workers.run('invoke', 'sleeper');
    expect(JSON.parse(stdout)).toContain('PATH');
    expect(JSON.parse(stdout)).not.toContain('NOTIFY_SOCKET');
    expect(JSON.parse(stdout)).not.toContain('WATCHDOG_USEC');
  });

  it('reports a reload from its beginning to its end, also one that is refused', async () => {
    const config = workers.write('worker.yaml', 'queue: { limit: 10 }\n');
    using manager = await NotifySocket.open(workers.path('notify'));
    const worker = workers.spawn(['--config', config], { NOTIFY_SOCKET: manager.address });
    await expect.poll(() => manager.count('READY=1'), POLL).toBe(1);
    writeFileSync(config, 'queue: { limit: 20 }\n');
    worker.child.kill('SIGHUP');
    await expect.poll(() => manager.count('READY=1'), POLL).toBe(2);
    const reloading = manager.received.find(({ lines }) => lines[0] === 'RELOADING=1');
    expect(reloading?.lines[1]).toMatch(/^MONOTONIC_USEC=\d+$/);
    writeFileSync(config, 'queue: [\n');
    worker.child.kill('SIGHUP');
    await expect.poll(() => manager.count('READY=1'), POLL).toBe(3);
    expect(manager.count('RELOADING=1')).toBe(2);
    expect(manager.said.filter((line) => line.startsWith('STATUS=')).join()).toContain('the last reload was refused');
    expect((await workers.run('ping')).code).toBe(0);
  });

  it('finishes what runs after one SIGTERM, takes nothing new, and asks for the time it needs', async () => {
    using manager = await NotifySocket.open(workers.path('notify'));
    const worker = workers.spawn([], { NOTIFY_SOCKET: manager.address });
    await expect.poll(() => manager.count('READY=1'), POLL).toBe(1);
    await register();
    const running = workers.run('invoke', 'sleeper', '-a', 's=10');
    await somethingRuns();
    worker.child.kill('SIGTERM');
    await expect.poll(() => manager.count('STOPPING=1'), POLL).toBeGreaterThan(0);
    expect(manager.said).toContain('EXTEND_TIMEOUT_USEC=30000000');
    expect((await workers.run('invoke', 'sleeper')).code).toBe(3);
    expect((await running).code).toBe(0);
    expect(await worker.ended).toEqual({ code: 0, signal: null });
  });

  it('does not wait longer than drainMs for what runs, and ends with 0 all the same', async () => {
    const worker = await workers.start(['--set', 'drainMs=300']);
    await register();
    const running = workers.run('invoke', 'sleeper', '-a', 's=600');
    await somethingRuns();
    worker.child.kill('SIGTERM');
    expect(await worker.ended).toEqual({ code: 0, signal: null });
    expect((await running).code).toBe(3);
  });

  it('serves where its manager cannot be told anything, and says so', async () => {
    const worker = await workers.start([], { NOTIFY_SOCKET: workers.path('nobody') });
    await expect.poll(() => worker.stderr, POLL).toContain('the service manager cannot be told anything: ENOENT');
    expect((await workers.run('ping')).code).toBe(0);
  });
});
