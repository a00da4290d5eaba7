import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { workerConfigSchema } from '../../src/config/schema.js';
import { connect } from '../../src/index.js';
import { Supervisor } from '../../src/worker/supervisor.js';
import { describeWith } from '../support/requirement.js';
import { testProgram } from '../support/test-program.js';
import { rejection } from './support/worker-fixture.js';

const CRASHING = testProgram('worker/support/crashing-shard');

describeWith({ root: true, cgroups: true }, 'a shard that crashes under its clients', () => {
  it('answers them, comes back with its functions, and leaves no container of the old one', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-restart-'));
    const dataDir = join(folder, 'data');
    mkdirSync(dataDir);
    mkdirSync(join(folder, 'source'));
    writeFileSync(
      join(folder, 'source', 'main.py'),
      'import time\ndef main(args):\n    time.sleep(args.get("s", 0))\n    return "fine"\n',
    );
    const config = workerConfigSchema.parse({ name: `restart-${process.pid}`, dataDir, http: { enabled: false } });
    const supervisor = new Supervisor({ config, log: pino({ level: 'silent' }), task: CRASHING });
    await supervisor.start();
    try {
      const socket = join(dataDir, 'worker.sock');
      const client = await connect(socket);
      await client.register({ name: 'kept', source: join(folder, 'source') });
      expect((await client.invoke('kept')).result).toBe('fine');
      const cut = rejection(client.invoke('kept', { s: 120 }));
      // Its container idles until then, and would be kept.
      await expect.poll(async () => (await client.list())[0]?.running, { timeout: 20_000 }).toBe(1);
      writeFileSync(join(dataDir, 'crash'), '');
      expect((await cut).errorClass).toBe('unavailable');
      client.close();
      await expect
        .poll(() => supervisor.threads()[0], { timeout: 20_000 })
        .toMatchObject({ state: 'running', restarts: 1 });
      await using again = await connect(socket);
      expect(await again.invoke('kept')).toMatchObject({ result: 'fine', containerState: 'cold' });
      const { memory } = await again.status();
      expect(memory).toMatchObject({ cachedContainers: 1, runningContainers: 0 });
    } finally {
      await supervisor.stop(1000);
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
