import { readFileSync } from 'node:fs';
import { IluvatarError } from '../../core/index.js';

/** Throws IluvatarError `invalid`. */
export function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8').replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new IluvatarError('invalid', `${file} cannot be read as JSON: ${(error as Error).message}`);
  }
}
