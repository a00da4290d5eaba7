import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { connect } from '../../../src/index.js';
import { difference, takeInventory } from '../../support/inventory.js';
import { describeWith } from '../../support/requirement.js';
import { testProgram } from '../../support/test-program.js';
import { rejection } from '../support/worker-fixture.js';
import { SLEEPER } from './faulty-worker.js';

const PATIENCE = { timeout: 45_000 };
const PROGRAM = testProgram('worker/supervision/faulty-process').filename;

describeWith({ root: true, cgroups: true }, 'native code that aborts', () => {
  let folder: string;
  const children: ChildProcess[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-abort-'));
    for (const name of ['data', 'source']) mkdirSync(join(folder, name));
    writeFileSync(join(folder, 'source', 'main.py'), SLEEPER);
  });
  afterEach(async () => {
    for (const child of children.splice(0)) await ended(child, 'SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  /** Resolves when it serves. */
  async function start(): Promise<ChildProcess> {
    const config = { name: `abort-${process.pid}`, dataDir: join(folder, 'data'), http: { enabled: false } };
    // No core file: there is nothing to be learnt from it.
    const command = 'ulimit -c 0; exec "$0" "$@"';
    const args = ['-c', command, process.execPath, PROGRAM, JSON.stringify(config)];
    const child = spawn('sh', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
    expect(line.toString()).toBe('ready\n');
    return child;
  }

  it('ends the process, and the next start clears up after it and is well', async () => {
    const before = takeInventory();
    const socket = join(folder, 'data', 'worker.sock');
    const first = await start();
    const client = await connect(socket);
    await client.register({ name: 'kept', source: join(folder, 'source') });
    await client.register({ name: 'gone', source: join(folder, 'source') });
    await client.invoke('gone');
    const running = rejection(client.invoke('kept', { s: 60 }));
    await expect.poll(async () => (await client.list()).find(({ name }) => name === 'kept')?.running, PATIENCE).toBe(1);
    writeFileSync(join(folder, 'data', 'lifecycle-fault'), 'removeCgroups abort');
    // May be answered before its container's cgroup is removed, or not at all.
    const unregistered = client.unregister('gone').catch(() => {});
    expect(await running).toMatchObject({ errorClass: 'unavailable', details: { mayHaveRun: true } });
    await unregistered;
    await expect.poll(() => first.signalCode, PATIENCE).toBe('SIGABRT');
    client.close();
    const second = await start();
    await using again = await connect(socket);
    expect((await again.health()).healthy).toBe(true);
    await again.register({ name: 'kept', source: join(folder, 'source') });
    expect((await again.invoke('kept')).result).toBe('fine');
    expect((await again.status()).memory).toMatchObject({ cachedContainers: 1, runningContainers: 0 });
    await ended(second, 'SIGTERM');
    await expect
      .poll(() => difference(before, takeInventory()).filter((line) => line.includes(`abort-${process.pid}`)), PATIENCE)
      .toEqual([]);
  });
});

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill(signal);
  await exit;
}
