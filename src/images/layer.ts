import { Readable } from 'node:stream';
import { type Pack, pack } from 'tar-stream';
import { invalid } from './failure.js';
import { addEntry, type EntryHeader } from './tar-entry.js';

/**
 * Writes a layer: a tar in which nothing but the entries shows. They are sorted, times are the epoch, nobody has a name, and what an entry lies in is
 * there before it. Files are streamed.
 */
export type LayerEntry = LayerNode & {
  /** Relative, parts separated by "/". */
  readonly path: string;
  /** Permission bits, with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
};

export type LayerNode =
  | { readonly type: 'file'; readonly size: number; open(): Readable }
  | { readonly type: 'folder' }
  | { readonly type: 'symlink'; readonly target: string }
  /** A second name of the file at `target`, which sorts before it. */
  | { readonly type: 'hardlink'; readonly target: string }
  | { readonly type: 'device'; readonly block: boolean; readonly major: number; readonly minor: number }
  | { readonly type: 'fifo' }
  /** Hides what lower layers have in this folder. */
  | { readonly type: 'opaque' };

const EPOCH = new Date(0);
const OPAQUE = '.wh..wh..opq';
/** Numbers above do not fit the six octal digits of a header. */
const LARGEST_ID = 0o777777;
/** Fields of one header are written into 100 bytes; longer ones go into an extended header, which readers bound. */
const LONGEST_PATH = 4096;

/** A file's content in memory, as an entry. */
export function textFile(path: string, text: string, mode = 0o644): LayerEntry {
  const bytes = Buffer.from(text);
  return { path, mode, type: 'file', size: bytes.length, open: () => Readable.from([bytes]) };
}

/** The tar of these entries. Fails with `invalid` for entries that no reader could agree on. */
export function layerTar(entries: readonly LayerEntry[]): Readable {
  const ordered = inOrder(entries);
  const tar = pack();
  // Node's own kind of stream, so that an error reaches whoever reads.
  const out = Readable.from(tar as AsyncIterable<Buffer>, { objectMode: false });
  out.once('close', () => tar.destroy());
  writeAll(tar, ordered).catch((error: Error) => tar.destroy(error));
  return out;
}

async function writeAll(tar: Pack, entries: readonly LayerEntry[]): Promise<void> {
  for (const entry of entries) await addEntry(tar, headerOf(entry), contentOf(entry));
  tar.finalize();
}

/** null = the header is all there is. A whiteout is a file without content. */
function contentOf(entry: LayerEntry): (() => Readable) | null {
  if (entry.type === 'opaque') return () => Readable.from([]);
  return entry.type === 'file' ? entry.open : null;
}

function headerOf(entry: LayerEntry): EntryHeader {
  const { uid = 0, gid = 0 } = entry;
  // A bit that is cut off again: the tar writer takes mode 0 for "not given", and would make a secret file readable.
  const mode = entry.mode | 0o100000;
  const header: Record<string, unknown> = { name: entry.path, mode, mtime: EPOCH, size: 0, type: 'file' };
  header['uid'] = Math.min(uid, LARGEST_ID);
  header['gid'] = Math.min(gid, LARGEST_ID);
  const large: Record<string, string> = {};
  if (uid > LARGEST_ID) large['uid'] = `${uid}`;
  if (gid > LARGEST_ID) large['gid'] = `${gid}`;
  if (Object.keys(large).length > 0) header['pax'] = large;
  if (entry.type === 'file') header['size'] = entry.size;
  else if (entry.type === 'folder') Object.assign(header, { type: 'directory', name: `${entry.path}/` });
  else if (entry.type === 'symlink') Object.assign(header, { type: 'symlink', linkname: entry.target });
  else if (entry.type === 'hardlink') Object.assign(header, { type: 'link', linkname: entry.target });
  else if (entry.type === 'fifo') header['type'] = 'fifo';
  else if (entry.type === 'opaque') header['name'] = `${entry.path}/${OPAQUE}`;
  else {
    const type = entry.block ? 'block-device' : 'character-device';
    Object.assign(header, { type, devmajor: entry.major, devminor: entry.minor });
  }
  return header as unknown as EntryHeader;
}

/** Sorted by code unit, with the folders that nobody named. */
function inOrder(entries: readonly LayerEntry[]): LayerEntry[] {
  const known = new Map<string, LayerEntry>();
  for (const entry of entries) {
    assertPath(entry);
    const key = entry.type === 'opaque' ? `${entry.path}/${OPAQUE}` : entry.path;
    if (known.has(key)) throw invalid(`"${entry.path}" would be in the layer twice`);
    known.set(key, entry);
  }
  for (const key of [...known.keys()]) {
    for (let end = key.indexOf('/'); end !== -1; end = key.indexOf('/', end + 1)) {
      const path = key.slice(0, end);
      const above = known.get(path);
      if (above === undefined) known.set(path, { path, mode: 0o755, type: 'folder' });
      else if (above.type !== 'folder') throw invalid(`"${key}" lies below "${path}", which is no folder`);
    }
  }
  const ordered = [...known].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [path, entry] of ordered) {
    if (entry.type !== 'hardlink') continue;
    const target = known.get(entry.target);
    if (target?.type !== 'file' || entry.target >= path) {
      throw invalid(`"${path}" is a hard link to "${entry.target}", which is no file before it`);
    }
  }
  return ordered.map(([, entry]) => entry);
}

function assertPath(entry: LayerEntry): void {
  const { path } = entry;
  const parts = path.split('/');
  const wrong =
    path.length > LONGEST_PATH ||
    path.includes('\0') ||
    parts.some((part) => part === '' || part === '.' || part === '..');
  if (wrong) throw invalid(`"${path.slice(0, 200)}" is no path inside an image`);
  if (parts.some((part) => part.startsWith('.wh.'))) {
    throw invalid(`"${path}" has a name with a meaning of its own in images (".wh."): rename it`);
  }
  if (entry.type === 'symlink' && (entry.target === '' || entry.target.includes('\0'))) {
    throw invalid(`"${path}" is a link to nowhere`);
  }
}
