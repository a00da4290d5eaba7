import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { workerConfigSchema } from '../../../src/config/schema.js';
import { Supervisor } from '../../../src/worker/supervisor.js';
import { testProgram } from '../../support/test-program.js';
import { rejection } from '../support/worker-fixture.js';

describe('a shard that is to hand over', () => {
  let folder: string;
  let supervisor: Supervisor;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-leaving-'));
    const config = workerConfigSchema.parse({
      name: `leaving-${process.pid}`,
      dataDir: folder,
      supervision: { health: { enabled: false }, restart: { firstMs: 10 } },
    });
    const task = testProgram('worker/supervision/leaving-shard');
    supervisor = new Supervisor({ config, log: pino({ level: 'silent' }), task });
    await supervisor.start();
  });
  afterEach(async () => {
    await supervisor.stop(0);
    rmSync(folder, { recursive: true, force: true });
  });

  it('is not started again when its end is heard of before its answer', async () => {
    await supervisor.handOver(1000);
    await pause(200);
    expect(supervisor.threads()).toMatchObject([{ name: 'shard-0', restarts: 0, causes: {} }]);
  });

  it('goes on when it refuses', async () => {
    writeFileSync(join(folder, 'refuses'), '');
    for (let again = 0; again < 2; again++) {
      expect(await rejection(supervisor.handOver(1000))).toMatchObject({
        errorClass: 'unavailable',
        message: 'not now',
      });
    }
    expect(supervisor.threads()).toMatchObject([{ state: 'running', restarts: 0 }]);
  });

  it('is started again when it crashes instead', async () => {
    writeFileSync(join(folder, 'crashes'), '');
    await expect(supervisor.handOver(1000)).rejects.toThrow('it went');
    await expect.poll(() => supervisor.threads()).toMatchObject([{ state: 'running', restarts: 1 }]);
    rmSync(join(folder, 'crashes'));
    await supervisor.handOver(1000);
  });
});
