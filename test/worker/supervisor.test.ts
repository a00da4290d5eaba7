import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { workerConfigSchema } from '../../src/config/schema.js';
import { Supervisor } from '../../src/worker/supervisor.js';
import { testProgram } from '../support/test-program.js';

const FAULTY = testProgram('worker/support/faulty-shard');

describe('a supervisor', () => {
  let folder: string;
  let lines: { level: number; msg: string; thread?: string; cause?: string }[];
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

  async function start(plan: string, supervision: Record<string, unknown> = {}): Promise<void> {
    writeFileSync(join(folder, 'plan'), plan);
    const config = workerConfigSchema.parse({ dataDir: folder, supervision: { missedBeatMs: 1000, ...supervision } });
    const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
    supervisor = new Supervisor({ config, log, task: FAULTY });
    await supervisor.start();
  }

  const starts = (): string[] => readFileSync(join(folder, 'starts'), 'utf8').split('\n').slice(0, -1);

  it.each([
    ['throws', 'throw', 'thrown on the shard', 'error'],
    ['leaves a rejection unhandled', 'reject', 'rejected on the shard', 'error'],
    ['exits', 'exit', 'exited with code', 'exit'],
    ['hangs', 'hang', 'no beat for 1000 ms', 'hang'],
  ])('starts a shard again that %s and says so', async (_what, fault, message, cause) => {
    await start(`${fault} serve`);
    await expect.poll(starts, { timeout: 20_000 }).toEqual(['started', 'started']);
    await expect.poll(() => supervisor.threads()[0]?.state).toBe('running');
    expect(supervisor.threads()).toMatchObject([
      { name: 'shard-0', restarts: 1, causes: { [cause]: 1 }, lastError: expect.stringContaining(message) },
    ]);
    expect(supervisor.httpPort).toBe(1001);
    expect(lines).toMatchObject([
      { level: 50, thread: 'shard-0', cause, msg: expect.stringContaining('started again') },
    ]);
  });

  it('goes on when it crashes again and again', async () => {
    await start('throw throw serve');
    await expect.poll(starts, { timeout: 20_000 }).toHaveLength(3);
    await expect.poll(() => supervisor.threads()[0]).toMatchObject({ state: 'running', restarts: 2 });
  });

  it('is unhealthy, with the reason, when it fails too often, and goes on trying', async () => {
    const restart = { firstMs: 1, longestMs: 10, limit: 2, windowMs: 600_000 };
    await start('throw throw throw serve', { restart });
    await expect
      .poll(() => supervisor.threads()[0], { timeout: 30_000 })
      .toMatchObject({ state: 'running', restarts: 3 });
    expect(supervisor.threads()[0]).toMatchObject({ failing: true, critical: true, causes: { error: 3 } });
    // The stand-in answers no question about its health: what the main thread knows is told.
    const health = await supervisor.health();
    expect(health.healthy).toBe(false);
    expect(health.notes).toContainEqual(
      expect.stringMatching(/shard-0 keeps failing \(3 times, last: thrown on the shard\)/),
    );
  });

  it('stops a shard that serves, and does not start it again', async () => {
    await start('serve serve');
    await supervisor.stop(0);
    expect(starts()).toHaveLength(1);
    expect(supervisor.threads()[0]?.state).toBe('stopped');
  });
});
