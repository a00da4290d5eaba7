import { readFileSync } from 'node:fs';
import { EnergySourceError } from '../energy-source.js';

/** Small files of the kernel, as they are read everywhere here. */

/** Without its end of line; null = there is none, or it cannot be read now. */
export function textOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return null;
  }
}

/** null = there is none, or it is no number. */
export function numberOf(file: string): number | null {
  const text = textOf(file);
  return text === null || text === '' || !Number.isFinite(Number(text)) ? null : Number(text);
}

export interface Explanation {
  readonly message: string;
  readonly remedy: string | null;
}

/** What the system said, in the terms of a source. */
export function sourceError(
  error: unknown,
  explanations: { readonly missing: Explanation; readonly forbidden: Explanation },
): EnergySourceError {
  if (error instanceof EnergySourceError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOENT':
    case 'ENODEV':
    case 'ENXIO':
    case 'ENOTDIR':
    case 'EIO':
      return new EnergySourceError('missing', explanations.missing.message, explanations.missing.remedy);
    case 'EACCES':
    case 'EPERM':
      return new EnergySourceError('forbidden', explanations.forbidden.message, explanations.forbidden.remedy);
    default:
      return new EnergySourceError('failed', message);
  }
}
