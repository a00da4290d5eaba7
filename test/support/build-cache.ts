import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { oneAtATime } from './one-at-a-time.js';

/** What takes long to make and is the same every time: disks of virtual machines, clients written in other languages. Kept outside of the tree, under a hash of all that it is made of. */
export interface CachedBuild {
  /** What it is one of: a folder of the cache. */
  readonly kind: string;
  /** Files that it is made of; one that changes makes another build. Where they lie does not matter: every clone has the same. */
  readonly files: readonly string[];
  /** Anything else that it depends on: versions, paths. */
  readonly facts: readonly string[];
  /** Into an empty folder, which is moved afterwards: nothing in it may hold its path. */
  build(folder: string): Promise<void>;
}

/** Builds that nobody has used for so long are removed when another one is made; ms. */
const KEPT_MS = 7 * 24 * 3600 * 1000;

/** The folder of a build: out of the cache, or made now, by one process while others wait for it. */
export async function cachedBuild({ kind, files, facts, build }: CachedBuild): Promise<string> {
  const cache = cacheFolder(kind);
  const folder = join(cache, cacheKey(files, facts));
  if (!existsSync(folder)) {
    await oneAtATime(folder, async () => {
      if (!existsSync(folder)) await make(cache, folder, build);
    });
  }
  utimesSync(folder, new Date(), new Date());
  return folder;
}

async function make(cache: string, folder: string, build: CachedBuild['build']): Promise<void> {
  mkdirSync(cache, { recursive: true });
  removeOld(cache);
  const partial = mkdtempSync(join(cache, '.partial-'));
  try {
    await build(partial);
    renameSync(partial, folder);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

/** `ILUVATAR_<KIND>_CACHE`, or in the user's cache folder. */
export function cacheFolder(kind: string): string {
  const own = process.env[`ILUVATAR_${kind.toUpperCase()}_CACHE`];
  if (own !== undefined && own !== '') return own;
  const base = process.env['XDG_CACHE_HOME'];
  return join(base?.startsWith('/') ? base : join(homedir(), '.cache'), 'iluvatar', kind);
}

function cacheKey(files: readonly string[], facts: readonly string[]): string {
  const sum = createHash('sha256');
  for (const file of files) {
    const text = readFileSync(file);
    sum.update(`${basename(file)} ${text.length}\n`).update(text);
  }
  return sum.update(JSON.stringify(facts)).digest('hex').slice(0, 16);
}

function removeOld(cache: string): void {
  for (const name of readdirSync(cache)) {
    const path = join(cache, name);
    if (Date.now() - statSync(path).mtimeMs > KEPT_MS) rmSync(path, { recursive: true, force: true });
  }
}
