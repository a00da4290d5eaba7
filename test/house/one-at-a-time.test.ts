import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { oneAtATime } from '../support/one-at-a-time.js';
import { execute } from './process.js';

describe('one at a time', () => {
  let folder: string;
  let lock: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'iluvatar-lock-'));
    lock = join(folder, 'inner', 'lock');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('is what it says, and gives back what each has done', async () => {
    let inside = 0;
    const work = async (n: number): Promise<number> => {
      inside++;
      await pause(5);
      expect(inside).toBe(1);
      inside--;
      return n;
    };
    expect(await Promise.all([1, 2, 3].map((n) => oneAtATime(lock, () => work(n))))).toEqual([1, 2, 3]);
    expect(existsSync(lock)).toBe(false);
  });

  it('lets the next one in after a failure', async () => {
    await expect(oneAtATime(lock, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    expect(await oneAtATime(lock, async () => 'next')).toBe('next');
  });

  it('does not wait for a process that has gone', async () => {
    const gone = (await execute(process.execPath, ['-p', 'process.pid'])).output.trim();
    expect(await oneAtATime(join(folder, 'own'), async () => 'done')).toBe('done');
    writeFileSync(join(folder, 'theirs'), gone);
    expect(await oneAtATime(join(folder, 'theirs'), async () => 'done')).toBe('done');
  });
});
