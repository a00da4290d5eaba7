import { createHash, randomBytes } from 'node:crypto';
import { existsSync, type Stats } from 'node:fs';
import { lstat, mkdir, readdir, readFile, readlink, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, isAbsolute, join, normalize, posix, relative } from 'node:path';
import { IluvatarError } from '../../core/errors.js';
import { unpackArchive } from './archive.js';
import { detectEntry, type SourceListing } from './entry.js';
import { scanPythonImports } from './imports.js';
import { nodeLayerHash } from './layer-name.js';

/**
 * Brings a function's source into the store: a folder `<code>/<sha256>` whose name is the hash of its sorted paths, modes and
 * contents. It is never changed afterwards, so containers of any age may share it. Blocking: runs in the life-cycle pool.
 */
export interface ImportRequest {
  /** Absolute path of a file, a folder, or a tar / tar.gz. */
  readonly source: string;
  /** Store folder for code, and a folder on the same file system for half-made copies. */
  readonly code: string;
  readonly staging: string;
  readonly maxBytes: number;
  readonly runtime: 'python3' | 'nodejs' | 'binary' | null;
  readonly entry: string | null;
  /** Dependencies are installed by us: what a developer's machine left in node_modules stays out. */
  readonly dependencies: boolean;
  /** Decides which compiled packages fit; null = no Node here. */
  readonly nodeAbi: string | null;
}

export interface ImportedSource {
  readonly digest: string;
  /** Absolute path in the store of what it was imported from: importing that gives the same, also when the original is gone. */
  readonly stored: string;
  readonly runtime: 'python3' | 'nodejs' | 'binary';
  /** `module:function` (Python), `file:function` (Node), path of the executable (binary). */
  readonly entry: string;
  readonly files: number;
  readonly bytes: number;
  /** Text of requirements.txt; null = none. */
  readonly requirements: string | null;
  /** Text of package.json when it names dependencies, with its lock file; null = none. */
  readonly packageJson: string | null;
  readonly packageLock: string | null;
  /** Hash of the layer that holds its packages; null = none. */
  readonly nodeLayer: string | null;
  /** Dotted modules that the Python source imports. */
  readonly imports: string[];
}

const SKIPPED = new Set(['__pycache__', '.git', '.hg', '.svn', '.DS_Store']);
const MAX_FILES = 50_000;
const MAX_DEPTH = 64;

interface Item {
  readonly path: string;
  readonly kind: 'file' | 'folder' | 'link';
  readonly executable: boolean;
  readonly target: string;
}

export async function importSource(request: ImportRequest): Promise<ImportedSource> {
  const work = join(request.staging, `source-${randomBytes(8).toString('hex')}`);
  await mkdir(work, { recursive: true, mode: 0o700 });
  try {
    return await importInto(request, work);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function importInto(request: ImportRequest, work: string): Promise<ImportedSource> {
  if (!isAbsolute(request.source)) throw invalid(`"${request.source}" is not an absolute path`);
  const info = await lstat(request.source).catch((error: NodeJS.ErrnoException) => {
    throw invalid(error.code === 'ENOENT' ? `there is nothing at "${request.source}"` : error.message);
  });
  const real = info.isSymbolicLink() ? await lstatTarget(request.source) : info;
  let folder = request.source;
  let items: Item[];
  let single: string | null = null;
  if (real.isFile() && /\.(tar|tar\.gz|tgz)$/.test(request.source)) {
    folder = join(work, 'unpacked');
    await unpackArchive({ archive: request.source, into: folder, maxBytes: request.maxBytes });
    items = await walk(folder, request.dependencies);
  } else if (real.isFile()) {
    folder = dirname(request.source);
    single = basename(request.source);
    items = [{ path: single, kind: 'file', executable: (real.mode & 0o111) !== 0, target: '' }];
  } else if (real.isDirectory()) {
    items = await walk(folder, request.dependencies);
  } else {
    throw invalid(`"${request.source}" is neither a file nor a folder`);
  }
  const copied = await copy(folder, items, join(work, 'code'), request.maxBytes);
  const text = (name: string): Promise<string | null> =>
    items.some((item) => item.path === name && item.kind === 'file')
      ? readFile(join(work, 'code', name), 'utf8')
      : Promise.resolve(null);
  const listing: SourceListing = {
    files: items.filter((item) => item.kind !== 'folder').map(({ path, executable }) => ({ path, executable })),
    single,
    packageJson: await text('package.json'),
    read: (path) => readFile(join(work, 'code', path), 'utf8'),
  };
  const { runtime, entry } = await detectEntry(listing, request.runtime, request.entry);
  const packageJson = runtime === 'nodejs' && request.dependencies ? listing.packageJson : null;
  const packageLock = packageJson === null ? null : await text('package-lock.json');
  const nodeLayer =
    packageJson === null || request.nodeAbi === null
      ? null
      : nodeLayerHash(packageJson, packageLock, copied.hash.copy().digest('hex'), request.nodeAbi);
  if (nodeLayer !== null) {
    // ES modules look for packages in the folders above a file and nowhere else. Relative, so that it leads to the same layer from `/function` in
    // a container and from the store where nothing can be mounted.
    const link = `../../layers/${nodeLayer}/node_modules`;
    await symlink(link, join(work, 'code', 'node_modules'));
    copied.hash.update(`link\0node_modules\0${link}\0`);
  }
  const digest = copied.hash.digest('hex');
  await place(join(work, 'code'), join(request.code, digest));
  const stored = join(request.code, digest);
  const python = listing.files.filter((file) => extname(file.path) === '.py').map((file) => file.path);
  return {
    digest,
    stored: join(stored, single ?? ''),
    runtime,
    entry,
    files: listing.files.length,
    bytes: copied.bytes,
    requirements: runtime === 'python3' ? await storedText(stored, 'requirements.txt') : null,
    packageJson,
    packageLock,
    nodeLayer,
    imports: runtime === 'python3' ? await importsOf(stored, python) : [],
  };
}

async function lstatTarget(path: string): Promise<Stats> {
  return stat(path).catch((error: Error) => {
    throw invalid(error.message);
  });
}

async function storedText(folder: string, name: string): Promise<string | null> {
  return existsSync(join(folder, name)) ? readFile(join(folder, name), 'utf8') : null;
}

/** Everything below the folder, sorted by path, so that two walks of one tree agree. */
async function walk(folder: string, dependencies: boolean): Promise<Item[]> {
  const items: Item[] = [];
  const visit = async (below: string, depth: number): Promise<void> => {
    if (depth > MAX_DEPTH) throw invalid(`folders nested deeper than ${MAX_DEPTH} ("${below}")`);
    for (const entry of await readdir(join(folder, below), { withFileTypes: true })) {
      if (SKIPPED.has(entry.name) || (dependencies && entry.name === 'node_modules')) continue;
      const path = posix.join(below, entry.name);
      if (items.length >= MAX_FILES) throw invalid(`more than ${MAX_FILES} files`);
      if (entry.isDirectory()) {
        items.push({ path, kind: 'folder', executable: false, target: '' });
        await visit(path, depth + 1);
      } else if (entry.isSymbolicLink()) {
        items.push({ path, kind: 'link', executable: false, target: await innerLink(folder, path) });
      } else if (entry.isFile()) {
        const mode = (await lstat(join(folder, path))).mode;
        items.push({ path, kind: 'file', executable: (mode & 0o111) !== 0, target: '' });
      } else {
        throw invalid(`"${path}" is a device, socket or pipe`);
      }
    }
  };
  await visit('', 0);
  return items.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

/** A link is kept only when it stays inside: in the container nothing else of the host's folder exists. */
async function innerLink(folder: string, path: string): Promise<string> {
  const target = await readlink(join(folder, path));
  const absolute = isAbsolute(target) ? target : normalize(join(folder, dirname(path), target));
  const inside = relative(folder, absolute);
  if (inside === '..' || inside.startsWith('../') || isAbsolute(inside)) {
    throw invalid(`"${path}" is a symbolic link out of the source (${target})`);
  }
  return isAbsolute(target) ? relative(dirname(join(folder, path)), absolute) : target;
}

async function copy(
  from: string,
  items: readonly Item[],
  to: string,
  maxBytes: number,
): Promise<{ hash: ReturnType<typeof createHash>; bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  await mkdir(to, { mode: 0o755 });
  for (const item of items) {
    const target = join(to, item.path);
    if (item.kind === 'folder') {
      await mkdir(target, { mode: 0o755 });
      hash.update(`folder\0${item.path}\0`);
    } else if (item.kind === 'link') {
      await symlink(item.target, target);
      hash.update(`link\0${item.path}\0${item.target}\0`);
    } else {
      const size = (await lstat(join(from, item.path))).size;
      if (bytes + size > maxBytes) throw tooLarge(maxBytes);
      const content = await readFile(join(from, item.path));
      bytes += content.length;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      const mode = item.executable ? 0o555 : 0o444;
      await writeFile(target, content, { flag: 'wx', mode });
      hash.update(`file\0${item.path}\0${mode.toString(8)}\0${content.length}\0`);
      hash.update(content);
    }
  }
  return { hash, bytes };
}

/** Puts a finished folder under its final name; somebody else having been faster is as good. */
export async function place(from: string, to: string): Promise<void> {
  if (existsSync(to)) return;
  try {
    await rename(from, to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  }
}

async function importsOf(folder: string, files: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  // A generated thousand-file source says nothing new after its first files, and each is read in full.
  for (const file of files.slice(0, 500)) {
    for (const name of scanPythonImports(await readFile(join(folder, file), 'utf8'))) found.add(name);
  }
  return [...found].sort();
}

function tooLarge(maxBytes: number): IluvatarError {
  return new IluvatarError('too_large', `the source is larger than ${maxBytes} bytes (limits.sourceMaxBytes)`);
}

function invalid(what: string): IluvatarError {
  return new IluvatarError('invalid', `the source is refused: ${what}`);
}
