import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { parseMountInfo } from '../../src/cli/doctor/cgroups.js';
import { EXIT_MEANINGS, exitCodeOf, UsageError } from '../../src/cli/exit-codes.js';
import { argumentsFromPairs, argumentsFromText } from '../../src/cli/function-arguments.js';
import { microseconds, seconds, table } from '../../src/cli/output.js';
import {
  parseDuration,
  parseFunction,
  parseInteger,
  parseMemory,
  parseNumber,
  parsePair,
} from '../../src/cli/parse.js';
import { ERROR_CLASSES, type ErrorClass, IluvatarError } from '../../src/core/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'iluvatar-cli-parts-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('exit codes', () => {
  it('has a documented code for every error class', () => {
    const documented = EXIT_MEANINGS.map(([code]) => code);
    expect(new Set(documented).size).toBe(documented.length);
    for (const name of ERROR_CLASSES) {
      if (name === 'ok') continue;
      const code = exitCodeOf(new IluvatarError(name as ErrorClass, ''));
      expect(code).not.toBe(0);
      expect(documented).toContain(code);
    }
    expect(exitCodeOf(new UsageError(''))).toBe(2);
    expect(exitCodeOf(new TypeError(''))).toBe(10);
  });
});

describe('texts', () => {
  it.each([
    ['500', 500],
    ['500ms', 500],
    ['1.5s', 1500],
    ['2m', 120_000],
    ['1H', 3_600_000],
  ])('duration %s', (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each([
    ['128', 128],
    ['128m', 128],
    ['1g', 1024],
    ['1.5GiB', 1536],
    ['512kb', 1],
  ])('memory %s', (text, mib) => expect(parseMemory(text)).toBe(mib));

  it.each([
    ['f', { name: 'f', version: '1' }],
    ['f@2', { name: 'f', version: '2' }],
    ['a.b-c@1.0', { name: 'a.b-c', version: '1.0' }],
  ])('function %s', (text, parsed) => expect(parseFunction(text)).toEqual(parsed));

  it('splits pairs at the first "="', () => expect(parsePair('A=b=c')).toEqual(['A', 'b=c']));

  it.each([
    () => parseDuration('5 days'),
    () => parseDuration('-1s'),
    () => parseMemory('much'),
    () => parseFunction('@2'),
    () => parseFunction('f@'),
    () => parsePair('novalue'),
    () => parsePair('=x'),
    () => parseNumber(''),
    () => parseInteger('1.5'),
  ])('refuses %s', (parse) => expect(parse).toThrow(UsageError));
});

describe('arguments of a function', () => {
  it('is JSON where it reads as JSON, else text', () => {
    const pairs = ['n=3', 'b=true', 'x=null', 'l=[1,2]', 's=text', 'q="3"', 'e=', 'k=a=b', 'o:={"a":1}', 'neg=-1.5e3'];
    expect(JSON.parse(argumentsFromPairs(pairs))).toEqual({
      n: 3,
      b: true,
      x: null,
      l: [1, 2],
      s: 'text',
      q: '3',
      e: '',
      k: 'a=b',
      o: { a: 1 },
      neg: -1500,
    });
    expect(argumentsFromPairs([])).toBe('{}');
  });

  it('keeps numbers as they were written, and the last of two', () => {
    expect(argumentsFromPairs(['n=12345678901234567890', 'f=0.10', 'n=98765432109876543210'])).toBe(
      '{"n":98765432109876543210,"f":0.10}',
    );
  });

  it('reads files, as text and as JSON', () => {
    const file = join(folder, 'data');
    writeFileSync(file, '[1, 2]');
    expect(argumentsFromPairs([`t=@${file}`, `j:=@${file}`])).toBe('{"t":"[1, 2]","j":[1, 2]}');
    expect(argumentsFromText(`@${file}`)).toBe('[1, 2]');
    expect(() => argumentsFromPairs(['t=@/nonexistent'])).toThrow('/nonexistent cannot be read');
    expect(() => argumentsFromText('@/nonexistent')).toThrow(UsageError);
  });

  it.each(['novalue', '=x', ':=1', 'a:=text', 'a:='])('refuses -a %s', (pair) => {
    expect(() => argumentsFromPairs([pair])).toThrow(UsageError);
  });

  it('carries any JSON value and any text unchanged', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        expect(JSON.parse(argumentsFromPairs([`v:=${text}`]))).toEqual({ v: JSON.parse(text) });
        expect(JSON.parse(argumentsFromText(text === '""' ? '{}' : text))).toEqual(
          text === '""' ? {} : JSON.parse(text),
        );
      }),
    );
    fc.assert(
      fc.property(fc.string(), fc.string({ minLength: 1 }), (value, name) => {
        fc.pre(!/[=:]/.test(name) && !name.includes('__proto__'));
        const parsed = JSON.parse(argumentsFromPairs([`${name}=${JSON.stringify(value)}`])) as Record<string, unknown>;
        expect(parsed[name]).toBe(value);
      }),
    );
  });
});

describe('output', () => {
  it('aligns tables by what is seen, without colours when it is no terminal', () => {
    const columns = [
      { title: 'NAME', text: (row: [string, number]) => row[0] },
      { title: 'N', right: true, text: (row: [string, number]) => String(row[1]) },
    ];
    const text = table<[string, number]>(
      [
        ['ü', 5],
        ['longer', 12],
      ],
      columns,
      '',
    );
    expect(text).toBe('NAME     N\nü        5\nlonger  12\n');
    expect(table([], columns, 'nothing')).toBe('nothing\n');
  });

  it('shows times in the unit that fits', () => {
    expect([0, 999, 1500, 12_345, 2_500_000].map(microseconds)).toEqual([
      '0 µs',
      '999 µs',
      '1.50 ms',
      '12.3 ms',
      '2.50 s',
    ]);
    expect([5, 65, 3700, 90_000].map(seconds)).toEqual(['5 s', '1 m 5 s', '1 h 1 m', '1 d 1 h']);
  });
});

describe('doctor', () => {
  it('reads v1, v2 and hybrid cgroup mounts', () => {
    const mountinfo = [
      '25 20 0:22 / /sys rw,nosuid shared:7 - sysfs sysfs rw',
      '30 25 0:26 / /sys/fs/cgroup/cpu\\040acct rw shared:9 - cgroup cgroup rw,cpu,cpuacct',
      '31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory',
      '32 25 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd,favordynmods',
      '33 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate',
      '',
    ].join('\n');
    const found = parseMountInfo(mountinfo, (path) => (path === '/sys/fs/cgroup/unified' ? 'pids io\n' : ''));
    expect(found.map(({ version, path, controllers }) => [version, path, controllers])).toEqual([
      [1, '/sys/fs/cgroup/cpu acct', ['cpu', 'cpuacct']],
      [1, '/sys/fs/cgroup/memory', ['memory']],
      [1, '/sys/fs/cgroup/systemd', []],
      [2, '/sys/fs/cgroup/unified', ['pids', 'io']],
    ]);
    expect(found.filter(({ options }) => options.includes('favordynmods')).map(({ path }) => path)).toEqual([
      '/sys/fs/cgroup/systemd',
    ]);
  });
});
