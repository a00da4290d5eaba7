import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { describeWith } from '../support/requirement.js';
import { BIN, WorkerProcess } from './support/worker-process.js';

const HELLO = 'def main(args):\n    return "hello"\n';

interface Cleaned {
  code: number | null;
  leftovers: string[];
  problems: string[];
  stderr: string;
}

/** The command as a user runs it. */
function clean(worker: WorkerProcess, ...more: string[]): Cleaned {
  const args = [BIN, 'clean', '--json', '--config', worker.configFile, ...more];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
  });
  const report = stdout === '' ? { leftovers: [], problems: [] } : (JSON.parse(stdout) as Omit<Cleaned, 'code'>);
  return { ...report, code: status, stderr };
}

/** Several workers, one after the other, on a machine that does other things. */
vi.setConfig({ testTimeout: 240_000 });

describeWith({ root: true, cgroups: true }, 'iluvatar clean', () => {
  it('lists and removes what a killed worker left, and nothing of another', async () => {
    await using dead = new WorkerProcess({ network: { pool: { low: 1, high: 2 } } });
    await using alive = new WorkerProcess();
    await Promise.all([dead.start(), alive.start()]);
    for (const worker of [dead, alive]) {
      await worker.client(async (client) => {
        await client.register({ name: 'f', source: worker.source('f', HELLO) });
        await client.invoke('f');
      });
    }
    await dead.client(async (client) => {
      await client.register({ name: 'bridged', source: dead.source('bridged', HELLO), network: 'bridge' });
      await client.invoke('bridged');
    });
    await dead.kill();
    mkdirSync(join(dead.dataDir, 'uploads', 'upload-1'), { recursive: true });
    writeFileSync(join(dead.dataDir, 'uploads', 'upload-1', 'half'), '');

    const listed = clean(dead, '--dry-run');
    expect(listed).toMatchObject({ code: 0, problems: [] });
    const kinds = new Set(listed.leftovers.map((name) => name.split(' ')[0]));
    expect([...kinds].sort()).toEqual(['cgroup', 'folder', 'keeper', 'link', 'network']);
    expect(listed.leftovers).toContain(`cgroup ${dead.name}`);
    // Nothing was removed by looking.
    expect(clean(dead, '--dry-run').leftovers.filter((name) => name.startsWith('link'))).toEqual(
      listed.leftovers.filter((name) => name.startsWith('link')),
    );

    const removed = clean(dead);
    expect(removed, removed.stderr).toMatchObject({ code: 0, problems: [] });
    expect(removed.leftovers).toContain(`cgroup ${dead.name}`);
    expect(dead.leftovers()).toEqual([]);
    expect(clean(dead)).toMatchObject({ code: 0, leftovers: [] });

    expect(await alive.client((client) => client.invoke('f'))).toMatchObject({
      result: 'hello',
      containerState: 'warm',
    });
    // What it had registered is no leftover.
    await dead.start();
    expect(await dead.client(async (client) => (await client.list()).length)).toBe(2);
    expect((await dead.client((client) => client.invoke('bridged'))).result).toBe('hello');
  });

  it('finds nothing where a worker has stopped, or never was', async () => {
    await using worker = new WorkerProcess();
    expect(clean(worker)).toMatchObject({ code: 0, leftovers: [] });
    await worker.start();
    await worker.client(async (client) => {
      await client.register({ name: 'f', source: worker.source('f', HELLO) });
      await client.invoke('f');
    });
    expect(await worker.stopAndLook()).toEqual([]);
    expect(clean(worker)).toMatchObject({ code: 0, leftovers: [] });
  });

  it('removes idle containers of a worker that runs, and refuses to look for leftovers of one', async () => {
    await using worker = new WorkerProcess();
    await worker.start();
    await worker.client(async (client) => {
      await client.register({ name: 'f', source: worker.source('f', HELLO) });
      await client.invoke('f');
    });
    const refused = clean(worker, '--dry-run');
    expect(refused).toMatchObject({ code: 8, stderr: expect.stringContaining('another worker uses the data folder') });
    // By its name alone, too: what carries it is found wherever the data is.
    const elsewhere = clean(worker, '--data-dir', join(worker.folder, 'other'));
    expect(elsewhere).toMatchObject({ code: 8, stderr: expect.stringContaining(`named \\"${worker.name}\\"`) });
    expect(clean(worker)).toMatchObject({ code: 0, removed: 1 });
    expect((await worker.client((client) => client.invoke('f'))).result).toBe('hello');
  });
});
