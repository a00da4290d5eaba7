import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { TegrastatsParser } from '../src/telemetry/jetson/tegrastats-parser.js';
import type { TegrastatsSample } from '../src/telemetry/jetson/tegrastats-sample.js';
import { atLeast, type Bench, machine, median } from './lib/result.js';
import { parseWithRegex } from './lib/tegrastats-regex.js';

/**
 * Lines of tegrastats to objects, beside a parser that splits and matches in JavaScript and gives the same ones: lines a second, a log read in pieces of 64 KiB, and a line at a time as a board says
 * them. Processor time, not the clock's: what the garbage collector's threads do is in it, and what other programs do is not.
 */

interface Way {
  readonly name: string;
  run(): number;
  readonly nsPerLine: number[];
}

/** Ours are short ones, too; what is measured are those of boards of the last years, where there is most to read. */
const MIN_LINE_BYTES = 200;
const COPIES = 200;
const CHUNK_BYTES = 65_536;

/** Both give these; the objects are compared before anything is measured. */
function measuredLines(): string[] {
  const file = fileURLToPath(new URL('../test/telemetry/jetson/lines.txt', import.meta.url));
  const lines = readFileSync(file, 'utf8').split('\n');
  const chosen = lines.filter((line) => !/^(#|\[|E\/)/.test(line) && line.length >= MIN_LINE_BYTES);
  const parser = new TegrastatsParser();
  for (const line of chosen) {
    const [ours] = parser.push(Buffer.from(`${line}\n`));
    if (!isDeepStrictEqual(ours, parseWithRegex(line))) throw new Error(`the two parsers differ in: ${line}`);
  }
  return chosen;
}

/** In pieces, as they come from a file. */
function pieces(bytes: Buffer): Buffer[] {
  const all: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) all.push(bytes.subarray(at, at + CHUNK_BYTES));
  return all;
}

/** As one would write it: what is left of the last line waits for the next piece. */
function regexOf(chunks: readonly Buffer[]): TegrastatsSample[] {
  const samples: TegrastatsSample[] = [];
  let rest = '';
  for (const chunk of chunks) {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const sample = parseWithRegex(line);
      if (sample !== null) samples.push(sample);
    }
  }
  return samples;
}

function oursOf(chunks: readonly Buffer[]): TegrastatsSample[] {
  const parser = new TegrastatsParser();
  return chunks.flatMap((chunk) => parser.push(chunk));
}

function cpuNs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

export const bench: Bench = {
  name: 'tegrastats',
  title: 'Lines of tegrastats to typed objects, beside a parser of regular expressions in JavaScript',
  run({ long }) {
    const lines = measuredLines();
    const all = Array.from({ length: COPIES }, () => lines).flat();
    const text = Buffer.from(all.map((line) => `${line}\n`).join(''));
    const chunks = pieces(text);
    const single = all.map((line) => Buffer.from(`${line}\n`));
    if (!isDeepStrictEqual(oursOf(chunks), regexOf(chunks))) throw new Error('the two parsers differ');
    const ways: Way[] = [
      { name: 'a log', run: () => oursOf(chunks).length, nsPerLine: [] },
      { name: 'a log, regex', run: () => regexOf(chunks).length, nsPerLine: [] },
      { name: 'a line at a time', run: () => oursOf(single).length, nsPerLine: [] },
      { name: 'a line at a time, regex', run: () => regexOf(single).length, nsPerLine: [] },
    ];
    const rounds = long ? 41 : 15;
    for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
      for (const way of ways) {
        const begun = cpuNs();
        if (way.run() !== all.length) throw new Error(`${way.name} lost lines`);
        const took = (cpuNs() - begun) / all.length;
        if (round >= 0) way.nsPerLine.push(took);
      }
    }
    const [log, logRegex, line, lineRegex] = ways.map(({ nsPerLine }) => median(nsPerLine)) as [
      number,
      number,
      number,
      number,
    ];
    return Promise.resolve({
      name: 'tegrastats',
      machine: machine(),
      figures: { 'a log, lines/s': 1e9 / log, 'a line at a time, lines/s': 1e9 / line },
      floor: { 'a log, lines/s': 1e9 / logRegex, 'a line at a time, lines/s': 1e9 / lineRegex },
      ratios: { 'a log, lines/s': logRegex / log, 'a line at a time, lines/s': lineRegex / line },
      targets: [atLeast('a log: times as fast as regular expressions', logRegex / log, 5)],
      notes: [
        `floor: split and regular expressions in JavaScript, the same ${lines.length} lines and the same objects, ${Math.round(text.length / all.length)} bytes a line on average`,
        'by processor time of all threads, so that the garbage is in it',
      ],
    });
  },
};

/** Rounds before the first that counts: the compiler has not seen the code yet. */
const WARM_UP_ROUNDS = 4;
