import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseWithRegex } from '../../../bench/lib/tegrastats-regex.js';
import { TegrastatsParser } from '../../../src/telemetry/jetson/tegrastats-parser.js';
import type { TegrastatsSample } from '../../../src/telemetry/jetson/tegrastats-sample.js';
import { GOLDEN_SETS, type Golden, goldenOf } from './golden.js';
import { linesOf, OWN_LINES } from './lines.js';

/** What lines of all eras give, beside what a person has read in them and what another parser does. */

/** The only words of all lines that are not understood: somebody put them there for that. */
const LEFT_RAW = ['FUTURE_TOKEN', 'value', 'warning', 'UNKNOWN', '1', 'X', '1', '[a b]', '(c d)'];

function parse(text: string): TegrastatsSample[] {
  return new TegrastatsParser().push(Buffer.from(text));
}

function only(line: string): TegrastatsSample {
  const [sample, ...more] = parse(`${line}\n`);
  expect(more).toEqual([]);
  if (sample === undefined) throw new Error(`no sample of: ${line}`);
  return sample;
}

// Captured lines are read where there are some; our own stand for each era everywhere.
for (const set of GOLDEN_SETS.filter(({ lines }) => lines.length > 0)) {
  describe(`lines of tegrastats, ${set.name}`, () => {
    it.each(set.lines.map((line, index) => ({ ...line, index })))('$index: $about', ({ index, ...line }) => {
      const golden = JSON.parse(readFileSync(set.file(index), 'utf8')) as Golden;
      expect(goldenOf(line)).toEqual(golden);
    });

    it('leave nothing raw but what is listed', () => {
      const raw = set.lines.flatMap(({ text }) => parse(`${text}\n`).flatMap(({ unknown }) => unknown));
      expect(raw.filter((word) => !LEFT_RAW.includes(word))).toEqual([]);
      expect(raw.length).toBeGreaterThan(0);
    });

    it('say the same to a parser with regular expressions', () => {
      const parser = new TegrastatsParser();
      // That one knows nothing of loggers in front, and makes one word of what no list can hold.
      const bare = set.lines.filter(({ text }) => !/^(\[|E\/)/.test(text) && !text.includes('[a b]'));
      for (const { text } of bare) {
        expect([...parser.push(Buffer.from(`${text}\n`)), null][0]).toEqual(parseWithRegex(text));
      }
      expect(bare.length).toBeGreaterThan(10);
    });
  });
}

describe('a line of tegrastats', () => {
  it('has null for what is missing, and never 0', () => {
    const sample = only('RAM 900/15368MB CPU [2%@729,7%] GR3D_FREQ 5%');
    expect(sample).toMatchObject({ date: null, swap: null, iram: null, emc: null, totalPower: null });
    expect(sample.ram).toEqual({ usedMb: 900, totalMb: 15368, largestFreeBlocks: null, largestFreeBlockMb: null });
    expect(sample.cpus[1]).toEqual({ online: true, loadPercent: 7, freqMhz: null });
    expect(sample.gpu).toEqual({ online: true, loadPercent: 5, freqMhz: [] });
    expect(only('GR3D_FREQ @[0,0,0]').gpu).toEqual({ online: true, loadPercent: null, freqMhz: [0, 0, 0] });
  });

  it('has no load that cannot be', () => {
    expect(only('EMC_FREQ 101%@400 GR3D_FREQ -1%@5 CPU [999%@1]')).toMatchObject({
      emc: { online: true, loadPercent: null, freqMhz: [400] },
      gpu: { online: true, loadPercent: null, freqMhz: [5] },
      cpus: [{ online: true, loadPercent: null, freqMhz: 1 }],
    });
    expect(only('EMC_FREQ 100%@400').emc?.loadPercent).toBe(100);
  });

  it('has no temperature of a part without power', () => {
    const { temperatures } = only('GPU@-256C CV0@-40.5C cold@-40C cpu@1C/-256C PMIC@100C pmic@47C');
    expect(temperatures.map(({ tempC }) => tempC)).toEqual([null, null, -40, 1, 100, 47]);
    expect(temperatures.map(({ peakC }) => peakC)).toEqual([null, null, null, null, null, null]);
    expect(temperatures.map(({ constant }) => constant)).toEqual([false, false, false, false, true, false]);
  });

  it('may write names in any case, and has them as they are written', () => {
    const sample = only('ram 1/2mb (LFB 3x4mb) swap 5/6MB (Cached 7MB) Cpu [OFF] gr3d_freq 8%@9 nvenc Off');
    expect(sample.ram).toEqual({ usedMb: 1, totalMb: 2, largestFreeBlocks: 3, largestFreeBlockMb: 4 });
    expect(sample.swap).toEqual({ usedMb: 5, totalMb: 6, cachedMb: 7 });
    expect(sample.cpus).toEqual([{ online: false, loadPercent: null, freqMhz: null }]);
    expect(sample.gpu).toEqual({ online: true, loadPercent: 8, freqMhz: [9] });
    expect(sample.engines).toEqual([{ name: 'nvenc', online: false, loadPercent: null, freqMhz: [] }]);
  });

  it('tells a rail from a temperature, a list of cores and a memory of its name', () => {
    const sample = only('RAM 1/2 GPU 3/4 GPU@5C CPU [6%@7] CPU 8/9 NC 1/1 NC 2/2');
    expect(sample.ram).toMatchObject({ usedMb: 1, totalMb: 2 });
    expect(sample.rails.map(({ name, index, powerMw }) => [name, index, powerMw])).toEqual([
      ['GPU', 0, 3],
      ['CPU', 0, 8],
      ['NC', 0, 1],
      ['NC', 1, 2],
    ]);
    expect(sample.cpus).toHaveLength(1);
    expect(sample.temperatures).toHaveLength(1);
  });

  it('may have more names than are kept, and longer ones', () => {
    const parser = new TegrastatsParser();
    for (const round of [0, 1, 2]) {
      const names = Array.from({ length: 200 }, (_, i) => `sensor${'_long'.repeat(i % 9)}_${round % 2}_${i}`);
      for (let at = 0; at < names.length; at += 40) {
        const wanted = names.slice(at, at + 40).map((name, i) => `${name}@${i}C`);
        const [sample] = parser.push(Buffer.from(`${wanted.join(' ')}\n`));
        expect(sample?.temperatures.map(({ name, tempC }) => `${name}@${tempC}C`)).toEqual(wanted);
      }
    }
  });

  it('of something else gives no sample, but is told', () => {
    const foreign: string[] = [];
    const parser = new TegrastatsParser({ onForeign: (line) => foreign.push(line) });
    const text = 'tegrastats: café\n\n  \nUnknown command\r\nRAM 1/2MB odd\nstep 1/2 is off\n';
    expect(parser.push(Buffer.from(text))).toHaveLength(1);
    expect(foreign).toEqual(['tegrastats: café', 'Unknown command', 'step 1/2 is off']);
    const bytes = Buffer.byteLength(text);
    expect(parser.counters).toEqual({ bytes, lines: 4, foreign: 3, tooLong: 0, unknownTokens: 1 });
    expect(linesOf(OWN_LINES).length).toBeGreaterThan(10);
  });
});
