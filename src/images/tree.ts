import { createReadStream, type Stats } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { invalid } from './failure.js';
import type { LayerEntry } from './layer.js';

/** Reads a folder as the entries of a layer. */
export interface TreeOptions {
  /** Where the folder's content comes to lie in the image; "" = at its root. */
  readonly prefix: string;
  /**
   * `source`: what somebody wrote. Modes become 0644 or 0755, everything is root's, hard links are files: a copy made by another user on
   * another machine is the same. `system`: a root file system, whose modes, owners, hard links and devices belong to its content.
   */
  readonly kind: 'source' | 'system';
  /** Names, at any depth, that stay out. */
  readonly skip?: (name: string) => boolean;
}

const MAX_ENTRIES = 2_000_000;

/** What is mounted over in every container, and never content. */
const MOUNT_POINTS = new Set(['proc', 'sys', 'dev']);

export async function treeEntries(folder: string, options: TreeOptions): Promise<LayerEntry[]> {
  const entries: LayerEntry[] = [];
  /** First name of each inode that has several. */
  const inodes = new Map<string, string>();
  const system = options.kind === 'system';
  const visit = async (below: string): Promise<void> => {
    const names = await readdir(join(folder, below)).catch((error: Error) => {
      throw invalid(`"${join(folder, below)}" cannot be read: ${error.message}`);
    });
    // Sorted here too: which of two hard links comes first must not depend on the file system.
    for (const name of names.sort()) {
      if (options.skip?.(name) === true) continue;
      const inner = below === '' ? name : `${below}/${name}`;
      const path = options.prefix === '' ? inner : `${options.prefix}/${inner}`;
      if (name.includes('\uFFFD')) throw invalid(`"${inner}" has a name that is not UTF-8`);
      if (entries.length >= MAX_ENTRIES) throw invalid(`"${folder}" holds more than ${MAX_ENTRIES} files`);
      const full = join(folder, inner);
      const stats = await lstat(full);
      const entry = await entryOf(full, path, stats, system);
      if (entry === null) continue;
      const inode = `${stats.dev}:${stats.ino}`;
      const first = system && entry.type === 'file' && stats.nlink > 1 ? inodes.get(inode) : undefined;
      if (first !== undefined) entries.push({ ...shape(path, stats, system), type: 'hardlink', target: first });
      else entries.push(entry);
      if (first === undefined && system && stats.nlink > 1 && entry.type === 'file') inodes.set(inode, path);
      if (stats.isDirectory() && !(system && below === '' && MOUNT_POINTS.has(name))) await visit(inner);
    }
  };
  await visit('');
  return system ? firstNames(entries) : entries;
}

/** null = nothing that an image holds. */
async function entryOf(full: string, path: string, stats: Stats, system: boolean): Promise<LayerEntry | null> {
  const base = shape(path, stats, system);
  if (stats.isDirectory()) return { ...base, type: 'folder' };
  if (stats.isSymbolicLink()) return { ...base, mode: 0o777, type: 'symlink', target: await readlink(full) };
  if (stats.isFile()) return { ...base, type: 'file', size: stats.size, open: () => createReadStream(full) };
  if (!system) throw invalid(`"${path}" is a device, socket or pipe`);
  if (stats.isFIFO()) return { ...base, type: 'fifo' };
  if (stats.isSocket()) return null;
  return { ...base, type: 'device', block: stats.isBlockDevice(), ...deviceNumbers(stats.rdev) };
}

function shape(path: string, stats: Stats, system: boolean): Pick<LayerEntry, 'path' | 'mode' | 'uid' | 'gid'> {
  if (system) return { path, mode: stats.mode & 0o7777, uid: stats.uid, gid: stats.gid };
  return { path, mode: stats.isDirectory() || (stats.mode & 0o111) !== 0 ? 0o755 : 0o644 };
}

/**
 * The walk goes by folders and the tar by whole paths, where "a-b" comes before "a/b": of an inode's names the one that the tar has first must be the file.
 */
function firstNames(entries: readonly LayerEntry[]): LayerEntry[] {
  const names = new Map<string, string[]>();
  for (const entry of entries) {
    if (entry.type !== 'hardlink') continue;
    const known = names.get(entry.target);
    if (known === undefined) names.set(entry.target, [entry.target, entry.path]);
    else known.push(entry.path);
  }
  const renamed = new Map<string, string>();
  for (const [file, all] of names) renamed.set(file, all.sort()[0] as string);
  return entries.map((entry) => {
    if (entry.type === 'hardlink') {
      const first = renamed.get(entry.target) as string;
      return { ...entry, target: first, path: entry.path === first ? entry.target : entry.path };
    }
    const first = entry.type === 'file' ? renamed.get(entry.path) : undefined;
    return first === undefined ? entry : { ...entry, path: first };
  });
}

/** As Linux packs them into `st_rdev`. */
function deviceNumbers(rdev: number): { major: number; minor: number } {
  const packed = BigInt(rdev);
  const major = ((packed >> 8n) & 0xfffn) | ((packed >> 32n) & 0xfffff000n);
  const minor = (packed & 0xffn) | ((packed >> 12n) & 0xffffff00n);
  return { major: Number(major), minor: Number(minor) };
}
