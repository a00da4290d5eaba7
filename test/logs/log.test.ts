import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.js';
import type { WorkerConfigInput } from '../../src/config/schema.js';
import { closeLog, createLog, type Log, moduleLog, reopenLog } from '../../src/telemetry/logs/log.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'iluvatar-log-test-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function logOf(log: WorkerConfigInput['log'] = {}, fields?: Record<string, unknown>): Log {
  return createLog(parseConfig({ dataDir: folder, log }), fields === undefined ? {} : { fields });
}

function lines(file = join(folder, 'log/worker.log')): Record<string, unknown>[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

async function _until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 6000 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(condition()).toBe(true);
}

describe('createLog', () => {
  it('writes JSON lines with ISO time and the level as a word, and nothing else by itself', async () => {
    const log = logOf();
    log.info({ tid: 't-1', n: 3 }, 'said');
    await closeLog(log);
    const [line] = lines();
    expect(Object.keys(line ?? {})).toEqual(['level', 'time', 'tid', 'n', 'msg']);
    expect(line).toMatchObject({ level: 'info', tid: 't-1', n: 3, msg: 'said' });
    expect(new Date(line?.time as string).toISOString()).toBe(line?.time);
  });

  it('writes errors with their stack, and the fields of this log on every line', async () => {
    const log = logOf({}, { shard: 2 });
    log.warn({ err: new TypeError('broken') }, 'oh');
    await closeLog(log);
    expect(lines()).toMatchObject([{ shard: 2, err: { type: 'TypeError', message: 'broken' } }]);
    expect(JSON.stringify(lines())).toContain('log.test.ts');
  });

  it('keeps what is there, and everything that was said before the close', async () => {
    for (let round = 0; round < 3; round++) {
      const log = logOf();
      for (let i = 0; i < 1000; i++) log.info({ round, i }, 'line');
      await closeLog(log);
    }
    expect(lines().map(({ round, i }) => [round, i])).toEqual(
      Array.from({ length: 3000 }, (_, at) => [Math.floor(at / 1000), at % 1000]),
    );
  });

  it('is for its owner only', async () => {
    const log = logOf();
    await closeLog(log);
    expect(statSync(join(folder, 'log/worker.log')).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'log')).mode & 0o777).toBe(0o700);
  });

  it('refuses a file that cannot be written, at once and by its name', () => {
    writeFileSync(join(folder, 'file'), '');
    const config = parseConfig({ dataDir: folder, log: { file: join(folder, 'file/below.log') } });
    expect(() => createLog(config)).toThrow(`${join(folder, 'file/below.log')} cannot be written`);
  });
});

describe('levels', () => {
  it('has a level per module, else that of the log', async () => {
    const log = logOf({ level: 'warn', modules: { pool: 'debug', quiet: 'silent' } });
    const pool = moduleLog(log, 'pool', { shard: 0 });
    pool.debug('pool debug');
    pool.trace('pool trace');
    moduleLog(log, 'other').info('other info');
    moduleLog(log, 'other').error('other error');
    moduleLog(log, 'quiet').error('quiet error');
    // A name that every object has is no level.
    moduleLog(log, 'constructor').error('constructor error');
    // Also below a log that has fields bound.
    moduleLog(log.child({ tid: 'x' }), 'pool').debug('child debug');
    await closeLog(log);
    expect(lines().map(({ msg, module, tid, shard }) => ({ msg, module, tid, shard }))).toEqual([
      { msg: 'pool debug', module: 'pool', shard: 0 },
      { msg: 'other error', module: 'other' },
      { msg: 'constructor error', module: 'constructor' },
      { msg: 'child debug', module: 'pool', tid: 'x' },
    ]);
  });

  it('does nothing for a level that is off', async () => {
    const log = logOf({ level: 'info' });
    let serialised = 0;
    const field = {
      toJSON() {
        serialised++;
        return 1;
      },
    };
    log.debug({ field }, 'off');
    expect(log.isLevelEnabled('debug')).toBe(false);
    // All levels that are off share one empty function.
    expect(log.debug).toBe(log.trace);
    log.info({ field }, 'on');
    await closeLog(log);
    expect(serialised).toBe(1);
    expect(lines()).toHaveLength(1);
  });
});

describe('rotation', () => {
  it('goes on in a new file after the old one was moved away, and loses no line', async () => {
    const log = logOf();
    const file = join(folder, 'log/worker.log');
    for (let i = 0; i < 100; i++) log.info({ i }, 'before');
    renameSync(file, `${file}.1`);
    reopenLog(log);
    for (let i = 100; i < 200; i++) log.info({ i }, 'after');
    await closeLog(log);
    const all = [...lines(`${file}.1`), ...lines(file)];
    expect(all.map(({ i }) => i)).toEqual(Array.from({ length: 200 }, (_, i) => i));
    expect(lines(file).length).toBeGreaterThanOrEqual(100);
  });

  it('survives any order of writes, rotations and waits, and closes at the end', async () => {
    const steps = fc.array(fc.constantFrom('write', 'rotate', 'wait'), { maxLength: 30 });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(steps, async (order) => {
        const file = join(folder, `run-${++run}.log`);
        const log = createLog(parseConfig({ dataDir: folder }), { file });
        const files = [file];
        let said = 0;
        for (const step of order) {
          if (step === 'write') log.info({ i: said++ }, 'x'.repeat(5000));
          else if (step === 'wait') await new Promise((resolve) => setImmediate(resolve));
          else {
            files.unshift(`${file}.${files.length}`);
            renameSync(file, files[0] as string);
            reopenLog(log);
          }
        }
        await closeLog(log);
        const seen = files.flatMap((path) => lines(path).map(({ i }) => i as number));
        expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: said }, (_, i) => i));
      }),
      { numRuns: 50 },
    );
  });

  it('writes what was said last before an exit', async () => {
    const script = `
      const { createLog } = await import(${JSON.stringify(new URL('../../src/telemetry/logs/log.ts', import.meta.url).href)});
      const { parseConfig } = await import(${JSON.stringify(new URL('../../src/config/load.ts', import.meta.url).href)});
      const log = createLog(parseConfig({ dataDir: ${JSON.stringify(folder)} }));
      log.error('the last words');
      process.exit(7);`;
    const code = await new Promise((resolve) => {
      execFile(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], (error) =>
        resolve(error?.code),
      );
    });
    expect(code).toBe(7);
    expect(lines()).toMatchObject([{ level: 'error', msg: 'the last words' }]);
  });
});
