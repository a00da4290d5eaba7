import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { TegrastatsParser } from '../../../src/telemetry/jetson/tegrastats-parser.js';
import type { TegrastatsSample } from '../../../src/telemetry/jetson/tegrastats-sample.js';
import { CAPTURED_LINES, type Line, linesOf, OWN_LINES } from './lines.js';

/** What each line of a set must give, in a file of its own that a person has compared with the line. */
export interface Golden {
  readonly about: string;
  /** Which line it is: begin of its SHA-256. */
  readonly line: string;
  /** null = it is no line of tegrastats. */
  readonly sample: TegrastatsSample | null;
}

export interface GoldenSet {
  readonly name: string;
  readonly lines: readonly Line[];
  file(index: number): string;
}

const folder = fileURLToPath(new URL('./golden', import.meta.url));

export const GOLDEN_SETS: readonly GoldenSet[] = [goldenSet('own', OWN_LINES), goldenSet('captured', CAPTURED_LINES)];

function goldenSet(name: string, source: string): GoldenSet {
  return {
    name,
    lines: linesOf(source),
    file: (index) => `${folder}/${name}/${String(index + 1).padStart(2, '0')}.json`,
  };
}

/** What it gives now. */
export function goldenOf({ about, text }: Line): Golden {
  const line = createHash('sha256').update(text).digest('hex').slice(0, 12);
  const samples = new TegrastatsParser().push(Buffer.from(`${text}\n`));
  return { about: boardOf(about), line, sample: samples[0] ?? null };
}

/** Captured lines tell their kind, the board, the release and where they are from. */
function boardOf(about: string): string {
  const [board = '', release] = about.replace(/^\[\w+\] /, '').split(' | ');
  return release === undefined ? board : `${board}, ${release}`;
}
