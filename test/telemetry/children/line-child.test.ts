import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { nativeFile } from '../../../src/native.js';
import { LineChild, type LineChildFailure, type LineChildOptions } from '../../../src/telemetry/children/line-child.js';
import { LineSplitter } from '../../../src/telemetry/children/line-splitter.js';
import { type ProgramResult, runProgram } from '../../../src/telemetry/children/run-program.js';
import { cleanAfterEach, temporaryFolder } from '../../backends/support/temporary.js';
import { root } from '../../house/process.js';

/** Real programs, small shell scripts: what they write arrives, what hangs or ends is started again, and nothing of them stays. */

cleanAfterEach();
const children: LineChild[] = [];
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.stop()));
});

function script(text: string): string {
  const file = join(temporaryFolder(), 'program');
  writeFileSync(file, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return file;
}

interface Heard {
  readonly child: LineChild;
  readonly lines: string[];
  readonly failures: LineChildFailure[];
}

function start(program: string, options: Partial<LineChildOptions> = {}): Heard {
  const lines: string[] = [];
  const failures: LineChildFailure[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  const child = new LineChild({
    program,
    args: [],
    stallMs: 20_000,
    restart: { firstMs: 10, longestMs: 100, settledMs: 60_000 },
    started: () => splitter.reset(),
    output: (chunk, atUs) => splitter.push(chunk, atUs),
    failed: (failure) => failures.push(failure),
    ...options,
  });
  children.push(child);
  child.start();
  return { child, lines, failures };
}

function lives(pid: number): boolean {
  try {
    // A zombie answers signals: it is over all the same.
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** What was killed is over a moment later: it must come to run for that. */
async function over(file: string): Promise<void> {
  const pids = readFileSync(file, 'utf8').trim().split('\n').map(Number);
  expect(pids.length).toBeGreaterThan(1);
  await expect.poll(() => pids.filter(lives)).toEqual([]);
}

describe('LineChild', () => {
  it('hands on what its program writes, and is silent after stop', async () => {
    const { child, lines } = start(script('echo "one of $1"; echo two >&2; echo three; sleep 600'), { args: ['them'] });
    await expect.poll(() => lines).toEqual(['one of them', 'three']);
    expect(child.state).toBe('running');
    const { pid } = child;
    expect(lives(pid)).toBe(true);
    await child.stop();
    expect(child.state).toBe('stopped');
    expect(child.pid).toBe(0);
    expect(lives(pid)).toBe(false);
    await child.stop();
  });

  it('reads from standard error where it is told to', async () => {
    const { lines } = start(script('echo two >&2; echo one; sleep 600'), { from: 'stderr' });
    await expect.poll(() => lines).toEqual(['two']);
  });

  it('starts a program again that ended, and says why it ended', async () => {
    const { child, lines, failures } = start(
      script('echo line; echo "the bus is gone" >&2; printf unfinished; exit 3'),
    );
    await expect.poll(() => lines.length).toBeGreaterThan(2);
    expect(new Set(lines)).toEqual(new Set(['line']));
    expect(child.starts).toBeGreaterThan(2);
    expect(failures[0]).toMatchObject({ cause: 'ended' });
    expect(failures[0]?.message).toMatch(/ended with code 3: the bus is gone$/);
  });

  it('kills one that hangs, with all that it started, and starts it again', async () => {
    const pids = join(temporaryFolder(), 'pids');
    // It hangs in a child of its own, and both ignore being asked.
    const hangs = script(`trap '' TERM; echo line; sleep 600 & echo $! >> ${pids}; echo $$ >> ${pids}; wait`);
    const { child, lines, failures } = start(hangs, { stallMs: 100 });
    await expect.poll(() => lines.length).toBeGreaterThan(1);
    expect(child.stalls).toBeGreaterThan(0);
    expect(failures[0]).toMatchObject({ cause: 'stalled' });
    await child.stop();
    await over(pids);
  });

  it('starts a program again that ended and left something with its output', async () => {
    const pids = join(temporaryFolder(), 'pids');
    const { child, lines } = start(script(`setsid sleep 600 & echo $! >> ${pids}; echo line; exit 3`));
    try {
      await expect.poll(() => lines.length).toBeGreaterThan(1);
      await child.stop();
      expect(child.state).toBe('stopped');
    } finally {
      // One that had no session of its own yet has gone with the group.
      const left = readFileSync(pids, 'utf8').trim().split('\n').map(Number).filter(lives);
      for (const pid of left) process.kill(pid, 'SIGKILL');
    }
  });

  it('kills one that does not end when it is asked to', async () => {
    const { child, lines } = start(script("trap '' TERM INT; echo line; while :; do sleep 600; done"));
    await expect.poll(() => lines).toEqual(['line']);
    const { pid } = child;
    await child.stop();
    expect(lives(pid)).toBe(false);
  });

  it('names a program that is not there, and starts it when it is', async () => {
    const file = join(temporaryFolder(), 'later');
    const { child, lines, failures } = start(file);
    expect(child.state).toBe('pausing');
    expect(failures[0]).toEqual({ cause: 'missing', message: `there is no program ${file}` });
    writeFileSync(file, '#!/bin/sh\necho here; sleep 600\n');
    await expect.poll(() => failures.at(-1)?.cause).toBe('forbidden');
    chmodSync(file, 0o755);
    await expect.poll(() => lines).toEqual(['here']);
    expect(child.starts).toBe(1);
  });

  it('tells whether something was heard in time', async () => {
    const silent = start(script('sleep 600'));
    expect(await silent.child.heard(20)).toBe(false);
    const ends = start(script('exit 1'), { restart: { firstMs: 60_000, longestMs: 60_000, settledMs: 60_000 } });
    expect(await ends.child.heard(30_000)).toBe(false);
    const speaks = start(script('sleep 0.1; echo line; sleep 600'));
    expect(await speaks.child.heard(30_000)).toBe(true);
  });

  it('leaves nothing behind when its own process is killed', async () => {
    const folder = temporaryFolder();
    const pidFile = join(folder, 'pid');
    const program = script(`echo $$ > ${pidFile}.new; mv ${pidFile}.new ${pidFile}; exec sleep 600`);
    const owner = join(folder, 'owner.ts');
    writeFileSync(
      owner,
      `import { LineChild } from ${JSON.stringify(join(root, 'src/telemetry/children/line-child.ts'))};
       new LineChild({ program: ${JSON.stringify(program)}, args: [], stallMs: 600_000, output: () => {} }).start();`,
    );
    const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', owner], { cwd: root, stdio: 'ignore' });
    try {
      await expect.poll(() => existsSync(pidFile)).toBe(true);
      const pid = Number(readFileSync(pidFile, 'utf8'));
      expect(lives(pid)).toBe(true);
      child.kill('SIGKILL');
      await expect.poll(() => lives(pid)).toBe(false);
    } finally {
      child.kill('SIGKILL');
    }
  });
});

describe('runProgram', () => {
  const run = (text: string, timeoutMs = 30_000, signal?: AbortSignal): Promise<ProgramResult> =>
    runProgram(script(text), ['one', 'two'], { timeoutMs, ...(signal === undefined ? {} : { signal }) });

  it('gives back what a program said and how it ended', async () => {
    expect(await run('echo "$2 $1"; echo odd >&2')).toEqual({ ended: 'well', stdout: 'two one\n', stderr: 'odd\n' });
    expect(await run('echo half; exit 3')).toEqual({ ended: 'failed', stdout: 'half\n', stderr: '' });
    const folder = temporaryFolder();
    expect((await runProgram(join(folder, 'none'), [], { timeoutMs: 1000 })).ended).toBe('missing');
    writeFileSync(join(folder, 'text'), 'no program', { mode: 0o644 });
    expect((await runProgram(join(folder, 'text'), [], { timeoutMs: 1000 })).ended).toBe('forbidden');
  });

  it('kills one that takes too long, or is not wanted any more, with all that it started', async () => {
    const pids = join(temporaryFolder(), 'pids');
    const hangs = `trap '' TERM; sleep 600 & echo $! > ${pids}.new; echo $$ >> ${pids}.new; mv ${pids}.new ${pids}; wait`;
    expect((await run(hangs, 2000)).ended).toBe('late');
    await over(pids);
    const abort = new AbortController();
    const running = run(hangs.replaceAll(pids, `${pids}2`), 30_000, abort.signal);
    await expect.poll(() => existsSync(`${pids}2`)).toBe(true);
    abort.abort();
    expect((await running).ended).toBe('failed');
    await over(`${pids}2`);
  });

  it('does not wait for what it left its output to', async () => {
    const pidFile = join(temporaryFolder(), 'pid');
    const left = await run(
      `setsid sh -c 'echo $$ > ${pidFile}.new; mv ${pidFile}.new ${pidFile}; exec sleep 600' & while [ ! -e ${pidFile} ]; do sleep 0.01; done; echo said`,
    );
    try {
      expect(left).toEqual({ ended: 'well', stdout: 'said\n', stderr: '' });
    } finally {
      process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL');
    }
  });
});

describe('iluvatar-init --with', () => {
  it('runs nothing for a process that is not there any more', () => {
    const made = join(temporaryFolder(), 'made');
    const run = (...args: string[]) => spawnSync(nativeFile('iluvatar-init'), ['--with', ...args]);
    expect(run('1', 'touch', made).status).toBe(137);
    expect(run('many', 'touch', made).status).toBe(137);
    expect(run('1').status).toBe(2);
    expect(existsSync(made)).toBe(false);
    expect(run(String(process.pid), 'touch', made).status).toBe(0);
    expect(existsSync(made)).toBe(true);
  });
});

describe('LineSplitter', () => {
  it('gives the same lines for chunks of any size', () => {
    const line = fc.stringMatching(/^[ -~]{0,40}$/);
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.integer({ min: 1, max: 20 })), fc.boolean(), (lines, sizes, crlf) => {
        const end = crlf ? '\r\n' : '\n';
        const bytes = Buffer.from(`${lines.map((one) => one + end).join('')}unfinished`);
        const got: string[] = [];
        const splitter = new LineSplitter((one) => got.push(one));
        let at = 0;
        for (const size of [...sizes, bytes.length]) {
          splitter.push(bytes.subarray(at, at + size), 0);
          at += size;
        }
        expect(got).toEqual(lines);
      }),
    );
  });

  it('drops what is too long to be a line, and goes on with the next', () => {
    const got: string[] = [];
    const splitter = new LineSplitter((one) => got.push(one), 10);
    splitter.push(Buffer.from(`a\n${'x'.repeat(15)}`), 0);
    splitter.push(Buffer.from('yyy'), 0);
    splitter.push(Buffer.from('\nb\n'), 0);
    splitter.push(Buffer.from(`${'x'.repeat(11)}\nc\n`), 0);
    expect(got).toEqual(['a', 'b', 'c']);
    expect(splitter.dropped).toBe(2);
  });
});
