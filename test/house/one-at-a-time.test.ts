import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { lock } from '../../scripts/lock.mjs';
import { oneAtATime } from '../support/one-at-a-time.js';
import { root } from './process.js';

describe('one at a time', () => {
  const name = `test ${process.pid}`;

  it('is what it says, and gives back what each has done', async () => {
    let inside = 0;
    const work = async (n: number): Promise<number> => {
      inside++;
      await pause(5);
      expect(inside).toBe(1);
      inside--;
      return n;
    };
    expect(await Promise.all([1, 2, 3].map((n) => oneAtATime(name, () => work(n))))).toEqual([1, 2, 3]);
  });

  it('lets the next one in after a failure', async () => {
    await expect(oneAtATime(name, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    expect(await oneAtATime(name, async () => 'next')).toBe('next');
  });

  it('waits for another process, and not for one that has gone', async () => {
    const file = JSON.stringify(join(root, 'scripts/lock.mjs'));
    const code = `await (await import(${file})).lock(${JSON.stringify(name)}, { limitMs: 1000 }); console.log('held');`;
    const other = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(other.stdout, 'data');
      let told = 0;
      expect(await lock(name, { limitMs: 300, waiting: () => told++ })).toBe(null);
      expect(told).toBe(1);
    } finally {
      other.kill('SIGKILL');
      await once(other, 'exit');
    }
    expect(await oneAtATime(name, async () => 'done')).toBe('done');
  });
});
