import { writeFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { IluvatarError } from '../../core/errors.js';
import type { ThreadProfile } from './cpu-profile.js';
import { flameGraph, flameGraphPage } from './flame-graph.js';
import { type FoldOptions, fold, foldedText } from './folded.js';

/** Profiles of a worker's threads as files: what is written is chosen by a file's name. */

export const PROFILE_EXTENSIONS = ['.svg', '.html', '.folded', '.cpuprofile'] as const;

/** Throws `invalid` for a name from which it cannot be told what to write. */
export function checkProfileName(file: string): void {
  if ((PROFILE_EXTENSIONS as readonly string[]).includes(extname(file))) return;
  const known = PROFILE_EXTENSIONS.join(', ');
  throw new IluvatarError('invalid', `"${file}" says not what to write: its name should end in one of ${known}`);
}

/** Resolves with the names of what was written: `.cpuprofile` is a file for each thread. Rejects with `unavailable` when a file cannot be written. */
export async function writeProfile(
  file: string,
  profiles: readonly ThreadProfile[],
  title: string,
  options: FoldOptions = {},
): Promise<string[]> {
  checkProfileName(file);
  const extension = extname(file);
  if (extension === '.cpuprofile') {
    const files = profiles.map(({ thread, profile }) => {
      const name = profiles.length === 1 ? file : `${file.slice(0, -extension.length)}-${thread}${extension}`;
      return [name, JSON.stringify(profile)] as const;
    });
    for (const [name, text] of files) await write(name, text);
    return files.map(([name]) => name);
  }
  const stacks = fold(profiles, options);
  if (extension === '.folded') await write(file, foldedText(stacks));
  else if (extension === '.svg') await write(file, flameGraph(stacks, { title }));
  else await write(file, flameGraphPage(stacks, { title }));
  return [file];
}

async function write(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (error) {
    throw new IluvatarError('unavailable', `${file} cannot be written: ${(error as Error).message}`);
  }
}
