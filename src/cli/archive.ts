import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { type Header, pack } from 'tar-stream';
import { UsageError } from './exit-codes.js';

/**
 * Packs a function's source for `register --upload`. The same source makes the same bytes whenever and by whomever it is packed, so that registering
 * it twice is one registration.
 */

/** Made again on the worker, or nobody's source. */
const SKIPPED = new Set(['__pycache__', 'node_modules', '.git', '.hg', '.svn', '.DS_Store']);

/**
 * A tar.gz of a file or folder. A single file gets the name under which a folder's entry point is found (`main.py`, `index.js`, `main`) unless `keepName`. `progress`
 * hears how much there is.
 */
export async function packSource(source: string, keepName: boolean, progress: (line: string) => void): Promise<Buffer> {
  const archive = pack();
  const chunks: Buffer[] = [];
  const done = (async () => {
    for await (const chunk of archive) chunks.push(chunk as Buffer);
  })();
  let files = 0;
  const add = async (path: string, name: string): Promise<void> => {
    const stats = await lstat(path);
    const header: Partial<Header> & { name: string } = {
      name,
      mode: stats.mode & 0o111 ? 0o755 : 0o644,
      mtime: new Date(0),
      uid: 0,
      gid: 0,
    };
    if (stats.isDirectory()) {
      // Sorted by code unit: the order of the file system differs from machine to machine.
      for (const child of (await readdir(path)).sort()) {
        if (!SKIPPED.has(child)) await add(join(path, child), name === '' ? child : `${name}/${child}`);
      }
    } else if (stats.isSymbolicLink()) {
      archive.entry({ ...header, type: 'symlink', linkname: await readlink(path), mode: 0o777 });
      files++;
    } else if (stats.isFile()) {
      archive.entry(header, await readFile(path));
      files++;
    }
  };
  const isFolder = (await statSource(source)).isDirectory();
  await add(source, isFolder ? '' : keepName ? basename(source) : entryName(source));
  archive.finalize();
  await done;
  if (files === 0) throw new UsageError(`${source} holds no files`);
  const bytes = await promisify(gzip)(Buffer.concat(chunks));
  progress(`packed ${files} ${files === 1 ? 'file' : 'files'}, ${Math.ceil(bytes.length / 1024)} KiB to upload`);
  return bytes;
}

/** Throws UsageError when nothing is there. */
export async function statSource(source: string): Promise<{ isDirectory(): boolean }> {
  try {
    return await lstat(source);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UsageError(code === 'ENOENT' ? `${source} is not there` : `${source}: ${message}`);
  }
}

function entryName(file: string): string {
  const extension = extname(file);
  if (extension === '.py') return 'main.py';
  return ['.js', '.mjs', '.cjs'].includes(extension) ? `index${extension}` : 'main';
}
