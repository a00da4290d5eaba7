import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FolderLeftovers } from '../../src/backends/process/leftovers.js';
import { makePaths } from '../../src/backends/process/paths.js';

/** A data folder so deep that no socket's address fits into it. */
describe('the temporary folder for sockets', () => {
  let folder: string;
  let config: { name: string; dataDir: string };
  const made: string[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-sockets-'));
    config = { name: 'deep', dataDir: join(folder, 'x'.repeat(90)) };
  });
  afterEach(() => {
    for (const path of [folder, ...made.splice(0)]) rmSync(path, { recursive: true, force: true });
  });

  const make = (): string => {
    const { temporary } = makePaths(config, 0);
    made.push(temporary as string);
    return temporary as string;
  };

  it('of a worker that was killed goes with the next start', () => {
    const first = make();
    expect(existsSync(first)).toBe(true);
    const second = make();
    expect(second).not.toBe(first);
    expect([existsSync(first), existsSync(second)]).toEqual([false, true]);
  });

  it('is found and removed while no worker runs, and no folder of somebody else', async () => {
    const left = make();
    const leftovers = new FolderLeftovers(config);
    expect(await leftovers.list()).toContain(`folder ${left}`);
    await leftovers.remove();
    expect(existsSync(left)).toBe(false);
    expect(await leftovers.list()).toEqual([]);
    // A note that was tampered with.
    const other = mkdtempSync(join(tmpdir(), 'iluvatar-test-other-'));
    made.push(other);
    writeFileSync(join(config.dataDir, 'sockets-folder'), other);
    expect(await leftovers.list()).toEqual([]);
  });
});
