import { createReadStream } from 'node:fs';
import { mkdir, open, symlink } from 'node:fs/promises';
import { dirname, join, normalize, posix } from 'node:path';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { extract, type Header } from 'tar-stream';
import { IluvatarError } from '../../core/errors.js';

/**
 * Unpacks an uploaded tar or tar.gz into an empty folder. The archive is hostile until shown otherwise: nothing is written outside the
 * folder, whatever names, links, types and sizes it claims. Everything refused is `invalid`.
 */
export interface UnpackRequest {
  /** The archive: its bytes, or the path of a file. */
  readonly archive: Uint8Array | string;
  /** Absolute; made when missing, should be empty. */
  readonly into: string;
  /** Largest sum of unpacked bytes. */
  readonly maxBytes: number;
}

const MAX_ENTRIES = 50_000;
const MAX_NAME = 1024;

/** A Mac's tar adds these; they are no source. */
const NOISE = /(^|\/)(\._[^/]*|\.DS_Store|PaxHeader)$/;

export async function unpackArchive(request: UnpackRequest): Promise<{ files: number; bytes: number }> {
  await mkdir(request.into, { recursive: true, mode: 0o700 });
  const { source, zipped } = await openArchive(request.archive);
  const unpack = extract();
  const links: { path: string; target: string }[] = [];
  /** Kind of each name so far: a later entry may not go through an earlier link or file, nor replace one. */
  const seen = new Map<string, 'file' | 'folder' | 'link'>();
  let entryCount = 0;
  let bytes = 0;
  let files = 0;
  const gunzip = zipped ? createGunzip() : null;
  /** What is thrown away counts too: unpacking it costs as much. */
  const drain = async (entry: AsyncIterable<unknown>): Promise<void> => {
    for await (const chunk of entry) bytes = counted(bytes, (chunk as Buffer).length, request.maxBytes);
  };
  const fail = (error: Error): void => unpack.destroy(error);
  // The listeners stay: an error that comes after the end of the loop must not be one that nobody handles.
  source.on('error', fail);
  gunzip?.on('error', fail);
  try {
    // Nothing may be awaited between these two: an entry that comes before its reader is lost.
    (gunzip === null ? source : source.pipe(gunzip)).pipe(unpack);
    for await (const entry of unpack) {
      const header: Header = entry.header;
      if (++entryCount > MAX_ENTRIES) throw invalid(`more than ${MAX_ENTRIES} entries`);
      const path = safeName(header.name);
      const skipped = path === '' || NOISE.test(path);
      if (skipped) {
        await drain(entry);
        continue;
      }
      claim(seen, path, header.type === 'directory' ? 'folder' : header.type === 'symlink' ? 'link' : 'file');
      const target = join(request.into, path);
      if (header.type === 'directory') {
        await mkdir(target, { recursive: true, mode: 0o755 });
        await drain(entry);
      } else if (header.type === 'symlink') {
        links.push({ path, target: safeLink(path, header.linkname ?? '') });
        await drain(entry);
      } else if (header.type === 'file' || header.type === 'contiguous-file') {
        await mkdir(dirname(target), { recursive: true, mode: 0o755 });
        const file = await open(target, 'wx', ((header.mode ?? 0o644) & 0o111) === 0 ? 0o644 : 0o755);
        try {
          for await (const chunk of entry) {
            bytes = counted(bytes, (chunk as Buffer).length, request.maxBytes);
            await file.writeFile(chunk as Buffer);
          }
        } finally {
          await file.close();
        }
        files++;
      } else {
        throw invalid(
          `"${path}" is a ${header.type ?? 'unknown entry'}: only files, folders and symbolic links are taken`,
        );
      }
    }
    // Links last: while files are written no path component can be one.
    for (const link of links) {
      await mkdir(dirname(join(request.into, link.path)), { recursive: true, mode: 0o755 });
      await symlink(link.target, join(request.into, link.path));
    }
  } catch (error) {
    if (error instanceof IluvatarError) throw error;
    const { message } = error as Error;
    throw invalid(message === 'Stream was destroyed' ? 'it is cut short' : message);
  } finally {
    source.destroy();
    gunzip?.destroy();
    unpack.destroy();
  }
  if (files === 0) throw invalid('there is no file in it');
  return { files, bytes };
}

async function openArchive(archive: Uint8Array | string): Promise<{ source: Readable; zipped: boolean }> {
  let head: Uint8Array;
  let source: Readable;
  if (typeof archive === 'string') {
    const file = await open(archive, 'r').catch((error: Error) => {
      throw invalid(error.message);
    });
    try {
      head = (await file.read(Buffer.alloc(2), 0, 2, 0)).buffer;
    } finally {
      await file.close();
    }
    source = createReadStream(archive);
  } else {
    head = archive.subarray(0, 2);
    source = Readable.from([Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength)]);
  }
  return { source, zipped: head[0] === 0x1f && head[1] === 0x8b };
}

function counted(bytes: number, more: number, limit: number): number {
  if (bytes + more > limit) {
    throw new IluvatarError('too_large', `the archive unpacks to more than ${limit} bytes (limits.sourceMaxBytes)`);
  }
  return bytes + more;
}

/** The name relative to the folder; '' = the folder itself. */
function safeName(name: string): string {
  if (name.length > MAX_NAME) throw invalid(`a name of ${name.length} characters`);
  if (name.includes('\0')) throw invalid('a name with a NUL byte');
  if (name.startsWith('/')) throw invalid(`"${name}" is an absolute path`);
  if (name.split('/').includes('..')) throw invalid(`"${name}" leads out of the archive`);
  const path = posix.normalize(name).replace(/\/+$/, '');
  return path === '.' ? '' : path;
}

function safeLink(path: string, target: string): string {
  if (target === '' || target.includes('\0')) throw invalid(`"${path}" is a link to nowhere`);
  const end = target.startsWith('/') ? '..' : normalize(join(dirname(path), target));
  if (end === '..' || end.startsWith('../')) throw invalid(`"${path}" is a link out of the archive (${target})`);
  return target;
}

function claim(seen: Map<string, 'file' | 'folder' | 'link'>, path: string, kind: 'file' | 'folder' | 'link'): void {
  for (let end = path.indexOf('/'); end !== -1; end = path.indexOf('/', end + 1)) {
    const above = path.slice(0, end);
    const known = seen.get(above);
    if (known === 'file' || known === 'link') throw invalid(`"${path}" lies below "${above}", which is a ${known}`);
    seen.set(above, 'folder');
  }
  const known = seen.get(path);
  if (known !== undefined && !(known === 'folder' && kind === 'folder')) throw invalid(`"${path}" is there twice`);
  seen.set(path, kind);
}

function invalid(what: string): IluvatarError {
  return new IluvatarError('invalid', `the archive is refused: ${what}`);
}
