import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { native } from '../../../src/native.js';
import { TegrastatsParser } from '../../../src/telemetry/jetson/tegrastats-parser.js';
import type { TegrastatsSample } from '../../../src/telemetry/jetson/tegrastats-sample.js';
import { CAPTURED_LINES, linesOf, OWN_LINES } from './lines.js';

/** What comes in pieces, cut off, too long or between garbage. */

const LINES = [...linesOf(OWN_LINES), ...linesOf(CAPTURED_LINES)].map(({ text }) => text);

function read(chunks: readonly Uint8Array[]): TegrastatsSample[] {
  const parser = new TegrastatsParser();
  return [...chunks.flatMap((chunk) => parser.push(chunk)), ...parser.end()];
}

/** At these places, of a thousand. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => Math.floor((place * bytes.length) / 1000)).sort((a, b) => a - b)];
  return at.map((begin, i) => bytes.subarray(begin, at[i + 1] ?? bytes.length));
}

const lines = fc.array(fc.constantFrom(...LINES), { minLength: 1, maxLength: 6 });
const ends = fc.constantFrom('\n', '\r\n');

describe('a stream of tegrastats', () => {
  it('gives the same samples however it is cut', () => {
    fc.assert(
      fc.property(lines, ends, fc.array(fc.nat(1000), { maxLength: 40 }), fc.boolean(), (all, end, places, closed) => {
        const bytes = Buffer.from(all.join(end) + (closed ? end : ''));
        const whole = read([bytes]);
        expect(read(cut(bytes, places))).toEqual(whole);
        expect(whole).toEqual(all.flatMap((line) => read([Buffer.from(`${line}\n`)])));
      }),
    );
  });

  it('gives the same samples byte by byte', () => {
    const bytes = Buffer.from(LINES.map((line) => `${line}\n`).join(''));
    expect(read(Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(read([bytes]));
  });

  it('loses no line between garbage', () => {
    const garbage = fc
      .uint8Array({ maxLength: 300 })
      .map((bytes) => Buffer.concat([bytes.filter((byte) => byte !== 10), Buffer.from('\n')]));
    fc.assert(
      fc.property(fc.array(fc.tuple(garbage, fc.constantFrom(...LINES)), { maxLength: 8 }), (pairs) => {
        const parser = new TegrastatsParser();
        for (const [noise, line] of pairs) {
          parser.push(noise);
          expect(parser.push(Buffer.from(`${line}\n`))).toEqual(read([Buffer.from(line)]));
        }
      }),
    );
  });

  it('reads whatever there is', () => {
    const pieces = fc.oneof(
      fc.constantFrom(...'[](),@%/ \n\r', 'off', 'RAM ', 'CPU [', '1%@2', 'mW', 'C'),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 60 }), (parts) => {
        const parser = new TegrastatsParser();
        const samples = [...parser.push(Buffer.from(parts.join(''))), ...parser.end()];
        const { lines, foreign } = parser.counters;
        expect(samples).toHaveLength(lines - foreign);
      }),
    );
  });

  it('has more lines in one piece than there is room for at once', () => {
    const all = Array.from({ length: 2000 }, (_, i) => `RAM ${i}/5000MB ${'CPU@1C '.repeat(20)} word${i}`);
    const samples = read([Buffer.from(`${all.join('\n')}\n`)]);
    expect(samples.map(({ ram, unknown }) => `${ram?.usedMb} ${unknown}`)).toEqual(all.map((_, i) => `${i} word${i}`));
  });

  it('loses the line that is too long, and not the next', () => {
    const parser = new TegrastatsParser();
    const long = `RAM 1/2MB ${'x'.repeat(5000)}`;
    const text = Buffer.from(`RAM 3/4MB\n${long}\nRAM 5/6MB\n${long}`);
    const samples = cut(text, [100, 300, 301, 600, 800]).flatMap((chunk) => parser.push(chunk));
    expect(samples.map(({ ram }) => ram?.usedMb)).toEqual([3, 5]);
    expect(parser.end()).toEqual([]);
    expect(parser.push(Buffer.from('RAM 7/8MB\n')).map(({ ram }) => ram?.usedMb)).toEqual([7]);
    expect(parser.counters).toMatchObject({ lines: 3, tooLong: 2, foreign: 0 });
  });

  it('ends with a line that has no end', () => {
    const parser = new TegrastatsParser();
    expect(parser.push(Buffer.from('RAM 1/2MB\nRAM 3/4MB'))).toHaveLength(1);
    expect(parser.end()[0]?.ram?.usedMb).toBe(3);
    expect(parser.end()).toEqual([]);
    expect(parser.push(new Uint8Array(0))).toEqual([]);
  });

  it('needs arrays with room for the longest line', () => {
    const { Reader } = native().tegrastats;
    expect(() => new Reader(new Float64Array(8255), new Uint8Array(4160))).toThrow(TypeError);
    expect(() => new Reader(new Float64Array(8256), new Uint8Array(4159))).toThrow(TypeError);
    expect(() => new Reader(new Uint8Array(66_048) as never, new Uint8Array(4160))).toThrow(TypeError);
    const reader = new Reader(new Float64Array(8256), new Uint8Array(4160));
    expect(() => reader.push('RAM' as never, 0)).toThrow(TypeError);
    expect(reader.push(new Uint8Array(3), 9)).toBe(0);
  });
});
