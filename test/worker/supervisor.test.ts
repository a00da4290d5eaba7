import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { workerConfigSchema } from '../../src/config/schema.js';
import { Supervisor } from '../../src/worker/supervisor.js';

const FAULTY = {
  filename: fileURLToPath(new URL('./support/faulty-shard.ts', import.meta.url)),
  execArgv: ['--import', new URL('../../scripts/register-typescript.mjs', import.meta.url).href],
};

describe('a supervisor', () => {
  let folder: string;
  let lines: { level: number; msg: string; err?: { message: string } }[];
  let supervisor: Supervisor;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-supervisor-'));
    writeFileSync(join(folder, 'starts'), '');
    lines = [];
  });
  afterEach(async () => {
    await supervisor.stop(0);
    rmSync(folder, { recursive: true, force: true });
  });

  async function start(plan: string): Promise<void> {
    writeFileSync(join(folder, 'plan'), plan);
    const config = workerConfigSchema.parse({ dataDir: folder });
    const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
    supervisor = new Supervisor({ config, log, missedBeatMs: 1000, task: FAULTY });
    await supervisor.start();
  }

  const starts = (): string[] => readFileSync(join(folder, 'starts'), 'utf8').split('\n').slice(0, -1);

  it.each([
    ['throws', 'throw', 'thrown on the shard'],
    ['leaves a rejection unhandled', 'reject', 'rejected on the shard'],
    ['exits', 'exit', ''],
    ['hangs', 'hang', ''],
  ])('starts a shard again that %s, and says so', async (_what, fault, message) => {
    await start(`${fault} serve`);
    await expect.poll(starts, { timeout: 20_000 }).toEqual(['started', 'started']);
    await expect.poll(() => supervisor.threads()[0]?.state).toBe('running');
    expect(supervisor.threads()).toMatchObject([
      { name: 'shard-0', restarts: 1, lastError: expect.stringContaining(message) },
    ]);
    expect(supervisor.httpPort).toBe(1001);
    expect(lines).toMatchObject([{ level: 50, msg: expect.stringContaining('crashed') }]);
  });

  it('goes on when it crashes again and again', async () => {
    await start('throw throw serve');
    await expect.poll(starts, { timeout: 20_000 }).toHaveLength(3);
    await expect.poll(() => supervisor.threads()[0]).toMatchObject({ state: 'running', restarts: 2 });
  });

  it('stops a shard that serves, and does not start it again', async () => {
    await start('serve serve');
    await supervisor.stop(0);
    expect(starts()).toHaveLength(1);
    expect(supervisor.threads()[0]?.state).toBe('stopped');
  });
});
