import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { iluvatar } from '../cli/run.js';
import { TestFolder } from '../sim/support/files.js';
import { refused } from './support/refused.js';

/** `load generate` and `load analyze` as a user would type them. */

const folder = new TestFolder();
const functions = folder.write(
  'functions.csv',
  'func_name,cold_dur_ms,warm_dur_ms,mem_mb,mean_iat\na,200,10,100,90\nb,300,40,200,180\nc,500,5,50,600\n',
);
const trace = folder.write(
  'trace.csv',
  ['func_name,invoke_time_ms', ...Array.from({ length: 600 }, (_, i) => `${'abc'[(i * i) % 3]},${i * 9}`), ''].join(
    '\n',
  ),
);
const given = ['--trace', trace, '--functions', functions];

describe('load generate', () => {
  it('writes the same bytes for the same seed, others for another, and expects what analyze finds', async () => {
    const options = ['--arrivals', 'exponential', '--duration', '1m', '--sample', 'random', '--count', '2'];
    const [one, two, other] = await Promise.all(
      [
        ['one.csv', '7'],
        ['two.csv', '7'],
        ['other.csv', '8'],
      ].map(([name = '', seed = '']) =>
        iluvatar(['load', 'generate', ...given, ...options, '--seed', seed, '--out', folder.at(name), '--json']),
      ),
    );
    expect([one?.code, two?.code, other?.code]).toEqual([0, 0, 0]);
    const bytes = (name: string): string => readFileSync(folder.at(name), 'utf8');
    expect(bytes('two.csv')).toBe(bytes('one.csv'));
    expect(bytes('two-functions.csv')).toBe(bytes('one-functions.csv'));
    expect(bytes('other.csv')).not.toBe(bytes('one.csv'));
    const { summary } = JSON.parse(one?.stdout ?? '');
    const found = await iluvatar([
      'load',
      'analyze',
      '--trace',
      folder.at('one.csv'),
      '--functions',
      folder.at('one-functions.csv'),
      '--json',
    ]);
    const analyzed = JSON.parse(found.stdout);
    expect(analyzed.invocations).toBe(summary.invocations);
    expect(analyzed.expected.oneEachMb).toBe(summary.expected.oneEachMb);
  });

  it('says what to expect', async () => {
    const { code, stdout } = await iluvatar(['load', 'generate', ...given, '--load', '2', '-o', folder.at('load.csv')]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/expected load\s+2\.\d\d busy slots/);
    expect(stdout).toContain('load-functions.csv');
  });

  it('makes functions out of nothing, from the command line and from a table', async () => {
    const file = folder.at('new.csv');
    const fns = [
      '--function',
      'name=api,iat=500us,warm=0.2ms,memory=64m',
      '--function',
      'name=job,iat=1s,warm=1s,arrivals=fixed',
    ];
    const { code, stdout } = await iluvatar(['load', 'generate', ...fns, '--duration', '2s', '-o', file, '--json']);
    expect(code).toBe(0);
    const { invocations, mostCalled } = JSON.parse(stdout).summary;
    expect(invocations).toBeGreaterThan(3500);
    expect(mostCalled[1]).toMatchObject({ name: 'job', invocations: 2 });
    const table = await iluvatar([
      'load',
      'generate',
      '--functions',
      functions,
      '--duration',
      '9s',
      '-o',
      folder.at('t.csv'),
      '--json',
    ]);
    expect(JSON.parse(table.stdout).summary.called).toBe(3);
  });

  it.each([
    ['nothing to make it from', [], 2, /one of --trace, .* is needed/],
    ['two things to make it from', [...given, '--function', 'name=a,iat=1,warm=1'], 2, /one of --trace/],
    [
      'a strategy that is none',
      [...given, '--sample', 'best', '--count', '1'],
      2,
      /--sample must be one of representative/,
    ],
    ['a strategy without a number', [...given, '--sample', 'random'], 2, /belong together/],
    [
      'more functions than there are',
      [...given, '--sample', 'random', '--count', '9'],
      7,
      /9 functions are asked for, and 2/,
    ],
    ['a rate and a load', [...given, '--rate', '1', '--load', '1'], 2, /one of them/],
    ['a part of nothing', ['--function', 'name=a,iat=1,warm=1', '--keep', '0.5'], 2, /--keep and --from are parts/],
    ['a part of a function that is none', ['--function', 'name=a,iat=1,hot=1'], 2, /"hot" is none of name, iat/],
    ['a function without a time', ['--function', 'name=a,iat=1'], 2, /warm/],
    [
      'a trace that is none',
      ['--trace', folder.write('bad.csv', 'func_name,invoke_time_ms\na,x\n'), '--functions', functions],
      7,
      /bad\.csv, line 2, column 2/,
    ],
    ['a name that does not end in .csv', [...given, '--out', folder.at('x.txt')], 2, /must end in \.csv/],
  ])('refuses %s, and leaves no file', async (_what, options, expected, text) => {
    const out = folder.at('never.csv');
    const { code, message } = await refused(['load', 'generate', '--out', out, ...options]);
    expect(code).toBe(expected);
    expect(message).toMatch(text);
    expect(existsSync(out)).toBe(false);
  });
});
