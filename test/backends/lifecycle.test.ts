import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { IluvatarError } from '../../src/core/errors.js';
import { LifecyclePool } from '../../src/worker/lifecycle/pool.js';
import { removeTemporaryFolders, temporaryFolder } from './support/temporary.js';

afterEach(removeTemporaryFolders);

describe.each([true, false])('the life-cycle pool, threads: %s', (threads) => {
  it('runs tasks, many at once, and gives their results', async () => {
    const pool = new LifecyclePool({ threads, size: 2 });
    try {
      const folder = temporaryFolder();
      const folders = Array.from({ length: 20 }, (_, n) => join(folder, `${n}`));
      for (const each of folders) {
        mkdirSync(each);
        writeFileSync(join(each, 'file'), 'x');
      }
      await Promise.all(folders.map((each) => pool.run('removeFolders', { folders: [each] })));
      expect(folders.filter((each) => existsSync(each))).toEqual([]);
      const [self = 0, none = 1] = await pool.run('processMemoryBytes', { pids: [process.pid, 0] });
      expect(self).toBeGreaterThan(1_000_000);
      expect(none).toBe(0);
      expect(pool.counters().tasks).toBe(21);
    } finally {
      await pool.close();
    }
  });

  it('keeps the class of an error', async () => {
    const pool = new LifecyclePool({ threads, size: 1 });
    try {
      const failure = await pool
        .run('importSource', {
          source: '/nowhere/at/all',
          code: '/nowhere',
          staging: temporaryFolder(),
          maxBytes: 1,
          runtime: null,
          entry: null,
          dependencies: true,
          nodeAbi: null,
        })
        .then(
          () => null,
          (error: unknown) => error,
        );
      expect(failure).toBeInstanceOf(IluvatarError);
      expect(failure).toMatchObject({ errorClass: 'invalid', message: expect.stringContaining('/nowhere/at/all') });
      expect(pool.counters().failures).toBe(1);
    } finally {
      await pool.close();
    }
  });
});
