import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Lines of tegrastats to read in tests: our own, and captured ones where the machine has them. */

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Made up, one or more for each era. */
export const OWN_LINES = file('./lines.txt');

/** Pasted by their owners from boards of twelve years; not part of the repository. */
export const CAPTURED_LINES = file('../../../../shared/data/tegrastats-samples.txt');

export interface Line {
  /** The comment above it. */
  readonly about: string;
  readonly text: string;
}

/** Of a file in which each line has a comment above it. None where there is no such file. */
export function linesOf(path: string): Line[] {
  if (!existsSync(path)) return [];
  const lines: Line[] = [];
  let about = '';
  for (const text of readFileSync(path, 'utf8').split('\n')) {
    if (text.startsWith('#')) about = text.slice(1).trim();
    else if (text !== '') lines.push({ about, text });
  }
  return lines;
}
