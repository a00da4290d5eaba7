import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { describeWith } from '../support/requirement.js';
import { WorkerProcess } from './support/worker-process.js';

const HELLO = 'def main(args):\n    return "hello"\n';

/** Several workers, one after the other, on a machine that does other things. */
vi.setConfig({ testTimeout: 240_000 });

describeWith(
  { root: true, cgroups: true, command: ['mount', 'umount', 'dd'] },
  'a worker whose store is in trouble',
  () => {
    it('goes on with what is warm, says so, refuses what it cannot keep, and recovers by itself', async () => {
      await using worker = new WorkerProcess();
      const state = join(worker.dataDir, 'state');
      mkdirSync(state, { recursive: true, mode: 0o700 });
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'iluvatar-test', state]);
      try {
        await worker.start();
        let kept: string[] = [];
        const source = worker.source('f', HELLO);
        await worker.client(async (client) => {
          await client.register({ name: 'f', source });
          await client.invoke('f');
          spawnSync('dd', ['if=/dev/zero', `of=${join(state, 'ballast')}`, 'bs=4096'], { stdio: 'ignore' });

          // A commit reuses pages as long as there are free ones: so several.
          let refused: Error | null = null;
          for (let i = 0; i < 200 && refused === null; i++) {
            const env = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`V${n}`, 'x'.repeat(200)]));
            await client.register({ name: `g${i}`, source, env }).catch((error: Error) => {
              refused = error;
            });
          }
          expect(refused).toMatchObject({
            errorClass: 'unavailable',
            message: expect.stringMatching(/state is full$/),
          });
          expect((await client.invoke('f')).result).toBe('hello');
          const before = (await client.list()).map(({ name }) => name);
          const troubled = await client.health();
          expect(troubled.notes.some((note) => /^nothing can be kept: the disk of .* is full$/.test(note))).toBe(true);
          expect(troubled.healthy).toBe(true);
          rmSync(join(state, 'ballast'));
          await expect
            .poll(async () => (await client.health()).notes.some((note) => note.includes('nothing can be kept')), {
              timeout: 60_000,
            })
            .toBe(false);
          await client.register({ name: 'later', source });
          // Of what was refused nothing has become true since.
          kept = [...before, 'later'];
          expect((await client.list()).map(({ name }) => name)).toEqual(kept);
        });
        await worker.kill();
        await worker.start();
        await worker.client(async (client) => {
          expect((await client.list()).map(({ name }) => name).sort()).toEqual([...kept].sort());
          expect((await client.invoke('later')).result).toBe('hello');
        });
      } finally {
        await worker.stop();
        execFileSync('umount', ['--lazy', state]);
      }
    });
  },
);
