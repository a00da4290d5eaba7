import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { python } from '../backends/support/dialects.js';
import { cgroupsOf, prepare, processesWith } from '../backends/support/harness.js';
import { removeTemporaryFolders, temporaryFolder, writeTree } from '../backends/support/temporary.js';
import { ContainerdDaemon } from '../support/containerd-daemon.js';
import { describeWith } from '../support/requirement.js';
import { ContainerdRig, linesOf, NEEDS } from './rig.js';

/** What a worker finds when it starts: a daemon that is away, and what one that was killed has left. */
const WORKER = fileURLToPath(new URL('fixtures/worker-process.ts', import.meta.url));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SOON = { timeout: 20_000 };
const FOREIGN = 'io.containerd.runc.v2';

describeWith(NEEDS, 'a worker that starts', () => {
  let daemon: ContainerdDaemon;
  /** Of somebody else, in the same daemon and namespace. */
  const foreign = `foreign-${randomBytes(3).toString('hex')}`;

  beforeAll(async () => {
    daemon = await ContainerdDaemon.start();
    await daemon.ctr('iluvatar', 'namespaces', 'create', 'iluvatar');
    const root = temporaryFolder();
    for (const folder of ['usr', 'proc', 'dev', 'sys', 'tmp']) mkdirSync(join(root, folder));
    for (const name of ['bin', 'lib', 'lib64']) symlinkSync(`usr/${name}`, join(root, name));
    const system = 'type=bind,src=/usr,dst=/usr,options=rbind:ro';
    const flags = ['--detach', '--null-io', '--runtime', FOREIGN, '--mount', system, '--rootfs'];
    await daemon.ctr('iluvatar', 'run', ...flags, root, foreign, '/usr/bin/sleep', '600');
  });
  afterAll(async () => {
    await daemon?.ctr('iluvatar', 'tasks', 'delete', '--force', foreign).catch(() => '');
    await daemon?.close();
    removeTemporaryFolders();
  });

  async function foreignLives(): Promise<void> {
    const rows = linesOf(await daemon.ctr('iluvatar', 'tasks', 'list')).map((row) => row.split(/\s+/));
    expect(rows.find(([name]) => name === foreign)).toEqual([foreign, expect.stringMatching(/^\d+$/), 'RUNNING']);
  }

  /** A worker that was killed with two containers. Resolves with where its source is. */
  async function killedWorker(name: string, dataDir: string): Promise<void> {
    const args = ['--import', 'tsx', WORKER, daemon.address, name, dataDir];
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const [line] = (await once(child.stdout, 'data')) as [Buffer];
      const { source } = JSON.parse(line.toString()) as { source: string };
      expect(await own(name)).toHaveLength(2);
      rmSync(source, { recursive: true, force: true });
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }

  async function own(name: string): Promise<string[]> {
    const all = linesOf(await daemon.ctr('iluvatar', 'containers', 'list', '--quiet'));
    return all.filter((id) => id.startsWith(`${name}.containerd-`));
  }

  it('removes what an earlier one left that was killed, and nothing of anybody else', async () => {
    const name = `test-left-${randomBytes(3).toString('hex')}`;
    const dataDir = temporaryFolder();
    const neighbour = await ContainerdRig.start({ daemon });
    const fn = await neighbour.register();
    expect((await neighbour.worker.invoke(fn, {})).result).toMatchObject({ calls: 1 });
    await killedWorker(name, dataDir);
    expect(await own(name)).toHaveLength(2);
    const rig = await ContainerdRig.start({ daemon, config: { name, dataDir } });
    expect(await own(name)).toEqual([]);
    expect(await rig.leftovers().then((left) => left.filter((line) => line.includes(name)))).toEqual([]);
    expect((await rig.leases()).filter((lease) => lease.includes(name))).toEqual([]);
    expect(processesWith(`${name}.containerd-c`)).toEqual([]);
    expect((await neighbour.worker.invoke(fn, {})).result).toMatchObject({ calls: 2 });
    await foreignLives();
    await rig.close();
    await neighbour.close();
    await foreignLives();
    for (const worker of [name, `${name}.containerd`]) expect(cgroupsOf(worker)).toEqual([]);
    expect(linesOf(await daemon.ctr('iluvatar', 'images', 'list', '--quiet'))).toEqual([]);
  }, 120_000);

  it('becomes healthy by itself when the daemon was away, and removes then what was left', async () => {
    const name = `test-away-${randomBytes(3).toString('hex')}`;
    const dataDir = temporaryFolder();
    await killedWorker(name, dataDir);
    await daemon.terminate();
    const rig = await ContainerdRig.start({ daemon, config: { name, dataDir } });
    expect(rig.healthy).toBe(false);
    expect(rig.harness.backend.health().notes[0]).toMatch(/^containerd at .* is away: /);
    const definition = { name: 'f', source: writeTree(temporaryFolder(), python.main) };
    await expect(prepare(rig.harness.backend, definition)).rejects.toMatchObject({ errorClass: 'unavailable' });
    await daemon.restart();
    await expect.poll(() => rig.healthy, SOON).toBe(true);
    await expect.poll(() => own(name), SOON).toEqual([]);
    const fn = await rig.register();
    expect((await rig.worker.invoke(fn, {})).outcome.errorClass).toBe(null);
    await foreignLives();
    await rig.close();
    expect(await own(name)).toEqual([]);
    const sockets = join(dataDir, 'run');
    expect(existsSync(sockets) ? readdirSync(sockets) : []).toEqual([]);
  }, 120_000);
});
