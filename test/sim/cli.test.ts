import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { iluvatar } from '../cli/run.js';
import { TestFolder } from './support/files.js';

const folder = new TestFolder();
const functions = folder.write(
  'functions.csv',
  'func_name,cold_dur_ms,warm_dur_ms,mem_mb\na,200,10,100\nb,300,40,200\nc,500,5,50\n',
);
const trace = folder.write(
  'trace.csv',
  ['func_name,invoke_time_ms', ...Array.from({ length: 600 }, (_, i) => `${'abc'[(i * i) % 3]},${i * 9}`), ''].join(
    '\n',
  ),
);
const run = ['sim', 'run', '--trace', trace, '--functions', functions];

describe('sim run', () => {
  it('writes the same bytes each time, and says what came of it', async () => {
    const first = folder.at('first.csv');
    const second = folder.at('second.csv');
    const options = ['--seed', '7', '--time-model', 'log-normal', '--set', 'memory.budgetMb=300', '--crashes', '0.05'];
    const [one, two] = await Promise.all(
      [first, second].map((out) => iluvatar([...run, ...options, '--out', out, '--series', `${out}.seconds.csv`])),
    );
    expect([one?.code, one?.stderr.includes('wall time')]).toEqual([0, true]);
    expect(one?.stdout).toMatch(/invocations\s+600: .* ok/);
    expect(two?.stdout).toBe(one?.stdout);
    const rows = readFileSync(first, 'utf8').trim().split('\n');
    expect(rows.length).toBe(601);
    expect(readFileSync(second, 'utf8')).toBe(readFileSync(first, 'utf8'));
    expect(readFileSync(`${first}.seconds.csv`, 'utf8').trim().split('\n').length).toBeGreaterThan(5);
  });

  it('prints one JSON value and nothing else with --json', async () => {
    const { code, stdout, stderr } = await iluvatar([...run, '--json', '--set', 'keepAlive.policy=ttl']);
    expect([code, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toMatchObject({ invocations: 600, outcomes: { ok: 600 } });
  });

  it('draws from the rows of an earlier run', async () => {
    const out = folder.at('live.csv');
    expect((await iluvatar([...run, '--out', out])).code).toBe(0);
    const again = await iluvatar([...run, '--time-model', 'measured', '--measured', out, '--json']);
    expect(JSON.parse(again.stdout)).toMatchObject({ invocations: 600 });
  });

  it.each([
    ['a time model that is none', ['--time-model', 'guess'], 2, /constant, log-normal/],
    ['measured times without a file', ['--time-model', 'measured'], 2, /--measured <file>/],
    ['a chance above 1', ['--crashes', '2'], 2, /from 0 to 1/],
    ['a format that is none', ['--out', 'rows.xml'], 7, /\.csv, \.jsonl or \.parquet/],
    ['an option that is none', ['--set', 'keepAlive.polcy=lru'], 7, /keepAlive\.policy/],
    ['a policy that is none', ['--set', 'queue.policy=magic'], 7, /queue\.policy/],
  ])('refuses %s', async (_what, options, expected, message) => {
    const { code, stderr, stdout } = await iluvatar([...run, ...options]);
    expect([code, stdout]).toEqual([expected, '']);
    expect(stderr).toMatch(message);
  });

  it('leaves no file behind when the trace is refused', async () => {
    const out = folder.at('never.csv');
    const { code, stderr } = await iluvatar(['sim', 'run', '--trace', folder.at('none.csv'), '--out', out]);
    expect(code).toBe(7);
    expect(stderr).toMatch(/none\.csv cannot be read/);
    expect(existsSync(out)).toBe(false);
  });
});

describe('sim fuzz', () => {
  it('tries as many seeds as it is told', async () => {
    const { code, stdout } = await iluvatar(['sim', 'fuzz', '--seeds', '5', '--seed', '3', '--invocations', '50']);
    expect([code, stdout]).toEqual([0, '5 seeds of 50 invocations, from 3: nothing is wrong\n']);
    const json = await iluvatar(['sim', 'fuzz', '--seeds', '2', '--invocations', '20', '--json']);
    expect(JSON.parse(json.stdout)).toEqual({ seeds: 2, failing: null });
  });

  it('refuses to try none', async () => {
    expect((await iluvatar(['sim', 'fuzz', '--seeds', '0'])).code).toBe(2);
  });
});
