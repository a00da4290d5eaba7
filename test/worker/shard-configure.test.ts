import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { workerConfigSchema } from '../../src/config/schema.js';
import { connect } from '../../src/index.js';
import { Supervisor } from '../../src/worker/supervisor.js';
import { testProgram } from '../support/test-program.js';
import { rejection } from './support/worker-fixture.js';

const CRASHING = testProgram('worker/support/crashing-shard');

describe('a shard that crashes after its configuration was changed', () => {
  it('comes back with what is in force', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-configure-'));
    const dataDir = join(folder, 'data');
    mkdirSync(dataDir);
    const config = workerConfigSchema.parse({
      name: `configure-${process.pid}`,
      dataDir,
      http: { enabled: false },
      backends: { process: { enabled: false }, simulated: { enabled: true } },
      defaultBackends: ['simulated'],
    });
    const supervisor = new Supervisor({ config, log: pino({ level: 'silent' }), task: CRASHING });
    await supervisor.start();
    try {
      await supervisor.configure({ ...config, queue: { ...config.queue, limit: 42 } });
      writeFileSync(join(dataDir, 'crash'), '');
      await expect
        .poll(() => supervisor.threads()[0], { timeout: 40_000 })
        .toMatchObject({ state: 'running', restarts: 1 });
      await using client = await connect(join(dataDir, 'worker.sock'));
      expect((await client.status()).queue.limit).toBe(42);
      // Nothing to read again: this worker was given its values.
      expect((await rejection(client.reload())).errorClass).toBe('unavailable');
    } finally {
      await supervisor.stop(1000);
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
