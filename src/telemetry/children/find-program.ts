import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';

/** Where a program is, from the root: a name is looked for on PATH, anything with a slash is a path. `forbidden` = it is there, and this user may not execute it. */
export function findProgram(
  name: string,
  path = process.env['PATH'] ?? '',
): { readonly file: string } | { readonly lacks: 'missing' | 'forbidden' } {
  const files = name.includes('/')
    ? [resolve(name)]
    : path.split(delimiter).map((folder) => resolve(join(folder, name)));
  let there = false;
  for (const file of files) {
    try {
      if (!statSync(file).isFile()) continue;
      there = true;
      accessSync(file, constants.X_OK);
      return { file };
    } catch {
      // Not in this folder, or not for us: it may still be found further on.
    }
  }
  return { lacks: there ? 'forbidden' : 'missing' };
}
