import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeWith } from '../support/requirement.js';
import { testProgram } from '../support/test-program.js';
import { rejection } from '../worker/support/worker-fixture.js';
import { StoreFolder } from './support/store-folder.js';

describeWith({ root: true, command: ['mount', 'umount'] }, 'a store whose disk fails it', () => {
  let disk: string;
  beforeEach(() => {
    disk = mkdtempSync(join(tmpdir(), 'iluvatar-test-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'iluvatar-test', disk]);
  });
  afterEach(() => {
    execFileSync('umount', ['--lazy', disk]);
    rmSync(disk, { recursive: true, force: true });
  });
  const fill = (): void => {
    spawnSync('dd', ['if=/dev/zero', `of=${join(disk, 'ballast')}`, 'bs=4096'], { stdio: 'ignore' });
  };

  it('says that the disk is full, loses nothing that was durable, and goes on when there is room again', async () => {
    await using folder = new StoreFolder();
    const store = await folder.open({ folder: join(disk, 'state') });
    const table = store.table<string>('results');
    table.put('before', 'x');
    await store.durable();
    fill();
    table.put('big', 'x'.repeat(400_000));
    const error = await rejection(store.durable());
    expect(error).toMatchObject({ errorClass: 'unavailable', message: expect.stringMatching(/is full$/) });
    expect(store.trouble).toMatch(/is full$/);
    expect(table.get('before')).toBe('x');
    rmSync(join(disk, 'ballast'));
    // By itself: nobody need ask again.
    await expect.poll(() => store.trouble, { timeout: 20_000 }).toBeNull();
    await store.durable();
    expect([...table.entries()].map(([key]) => key)).toEqual(['before', 'big']);
    await folder.close(store);
    const again = await folder.open({ folder: join(disk, 'state') });
    expect(again.table<string>('results').get('big')).toHaveLength(400_000);
    expect(folder.lines).toEqual([]);
  });

  it('is not begun on a full disk', async () => {
    await using folder = new StoreFolder();
    fill();
    expect((await rejection(folder.open({ folder: join(disk, 'state') }))).message).toMatch(/is full$/);
  });

  it('is not set aside when there is no room for checking it', async () => {
    await using folder = new StoreFolder();
    const path = join(disk, 'state');
    const store = await folder.open({ folder: path });
    store.table('results').put('r', 'x'.repeat(700_000));
    await folder.close(store);
    // As if it had not been closed.
    rmSync(join(path, 'mark'));
    fill();
    expect((await rejection(folder.open({ folder: path }))).message).toMatch(/is full$/);
    expect(readdirSync(path).filter((name) => name.startsWith('damaged'))).toEqual([]);
    rmSync(join(disk, 'ballast'));
    expect((await folder.open({ folder: path })).table('results').count()).toBe(1);
  });

  it('says that the disk is read-only', async () => {
    await using folder = new StoreFolder();
    const path = join(disk, 'state');
    await folder.close(await folder.open({ folder: path }));
    execFileSync('mount', ['-o', 'remount,ro', disk]);
    expect((await rejection(folder.open({ folder: path }))).message).toMatch(/is read-only$/);
  });

  it('says whose folder it is', () => {
    // Root may write everywhere: so this is somebody else.
    const path = join(disk, 'state');
    mkdirSync(path);
    writeFileSync(join(path, 'mark'), '');
    chownSync(path, 4711, 4711);
    chmodSync(path, 0o700);
    chmodSync(disk, 0o755);
    const program = testProgram('store/support/open-as-other').filename;
    const { stdout, stderr } = spawnSync(process.execPath, [program, path], { encoding: 'utf8' });
    expect(stdout, stderr).toMatch(
      /^unavailable: .* belongs to uid 4711 \(mode 0700\), and this worker runs as .*\(uid 65534\)/,
    );
  });
});
