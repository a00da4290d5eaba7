import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { workerConfigSchema } from '../../../src/config/schema.js';
import { Supervisor } from '../../../src/worker/supervisor.js';
import { WorkerProcess } from '../../recovery/support/worker-process.js';
import { FakeTegrastats, orinLine } from '../../support/tegrastats.js';

/** However a worker ends, its tegrastats ends with it; and one worker has one. */

const CRASHING = {
  filename: fileURLToPath(new URL('../support/crashing-shard.ts', import.meta.url)),
  execArgv: ['--import', new URL('../../../scripts/register-typescript.mjs', import.meta.url).href],
};

describe('the tegrastats of a worker', () => {
  let fake: FakeTegrastats;
  beforeEach(() => {
    fake = new FakeTegrastats({ do: 'say', lines: [orinLine(12)] });
  });
  afterEach(() => fake.remove());

  const config = () => ({
    backends: { process: { enabled: false }, simulated: { enabled: true } },
    defaultBackends: ['simulated'],
    jetson: { source: 'tegrastats' as const, command: [fake.program], intervalMs: 20 },
  });

  it('ends with a worker that is killed, and is there again with the next', async () => {
    await using worker = new WorkerProcess(config());
    await worker.start();
    await expect.poll(() => fake.living.length).toBe(1);
    const [first] = fake.living;
    await worker.kill();
    await expect.poll(() => fake.living).toEqual([]);
    await worker.start();
    await expect
      .poll(async () => (await worker.client((client) => client.status())).jetson?.gpu.utilizationPercent)
      .toBe(12);
    expect(fake.living).toHaveLength(1);
    expect(fake.living).not.toContain(first);
    await worker.stop();
    expect(fake.living).toEqual([]);
  });

  it('ends with a shard that crashes, and is there again with the next', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-jetson-shard-'));
    const dataDir = join(folder, 'data');
    mkdirSync(dataDir);
    const parsed = workerConfigSchema.parse({
      ...config(),
      name: `jetson-${process.pid}`,
      dataDir,
      http: { enabled: false },
    });
    const supervisor = new Supervisor({ config: parsed, log: pino({ level: 'silent' }), task: CRASHING });
    try {
      await supervisor.start();
      await expect.poll(() => fake.living.length).toBe(1);
      const [first] = fake.living;
      writeFileSync(join(dataDir, 'crash'), '');
      await expect.poll(() => supervisor.threads()[0]).toMatchObject({ state: 'running', restarts: 1 });
      await expect.poll(() => fake.living.length === 1 && fake.living[0] !== first).toBe(true);
    } finally {
      await supervisor.stop(1000);
      rmSync(folder, { recursive: true, force: true });
    }
    expect(fake.living).toEqual([]);
  });
});
