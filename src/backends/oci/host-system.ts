import { readlinkSync } from 'node:fs';
import { lstat, readFile, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { type LayerEntry, textFile } from '../../images/layer.js';
import type { Bind } from './function.js';

/**
 * The base `host`: this machine's system, read-only. The layer holds what a root needs around it, mount points, links and a small /etc, as
 * native/sandbox makes them for the containers of `process`; the system itself is bound. Nothing else of the machine is seen.
 */
export interface HostSystem {
  readonly entries: readonly LayerEntry[];
  readonly binds: readonly Bind[];
}

/** On most machines links into /usr. */
const BESIDE_USR = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'];
const BOUND_ETC = ['/etc/alternatives', '/etc/ssl/certs', '/etc/pki', '/etc/ca-certificates'];
const COPIED_ETC = [
  'ld.so.cache',
  'ld.so.conf',
  'mime.types',
  'timezone',
  'protocols',
  'services',
  'host.conf',
  'gai.conf',
  'ssl/openssl.cnf',
];
/** Larger ones are data and no settings. */
const COPY_LIMIT = 1024 * 1024;

const ETC = {
  passwd: 'root:x:0:0:root:/:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n',
  group: 'root:x:0:\nnogroup:x:65534:\n',
  hosts: '127.0.0.1\tlocalhost\n::1\tlocalhost\n',
  'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
  'resolv.conf': '',
} as const;

const MOUNT_POINTS = ['usr', 'function', 'layers', 'iluvatar/sockets'];

const folder = (path: string, mode = 0o755): LayerEntry => ({ path, mode, type: 'folder' });

/** What a root of nothing needs: nothing can be mounted where nothing is, once it is read-only. */
export function emptySystem(): LayerEntry[] {
  return [
    ...['dev', 'proc', 'sys'].map((path) => folder(path)),
    folder('tmp', 0o1777),
    ...Object.entries(ETC).map(([name, text]) => textFile(`etc/${name}`, text)),
  ];
}

/** `paths`: further absolute paths that are bound, such as an interpreter's. What is not there, or seen already, is left out. */
export async function hostSystem(paths: readonly string[]): Promise<HostSystem> {
  const entries: LayerEntry[] = [...MOUNT_POINTS.map((path) => folder(path)), ...emptySystem(), ...(await copiedEtc())];
  const bound = ['/usr'];
  for (const name of BESIDE_USR) {
    const stats = await lstat(`/${name}`).catch(() => null);
    if (stats?.isSymbolicLink()) {
      entries.push({ path: name, mode: 0o777, type: 'symlink', target: readlinkSync(`/${name}`) });
    } else if (stats?.isDirectory()) {
      entries.push(folder(name));
      bound.push(`/${name}`);
    }
  }
  // Outermost first, so that what lies inside of another is found to be seen.
  for (const path of [...new Set([...BOUND_ETC, ...paths])].sort()) {
    if (bound.some((other) => path === other || path.startsWith(`${other}/`))) continue;
    if (BESIDE_USR.some((name) => path === `/${name}` || path.startsWith(`/${name}/`))) continue;
    const stats = await stat(path).catch(() => null);
    if (stats === null) continue;
    bound.push(path);
    const inner = path.slice(1);
    entries.push(stats.isDirectory() ? folder(inner) : textFile(inner, ''));
  }
  return { entries: unique(entries), binds: bound.map((path) => ({ source: path, target: path })) };
}

/** A function on the host's network asks whom the host asks. */
export const HOST_NETWORK_FILES = ['/etc/resolv.conf', '/etc/hosts'] as const;

async function copiedEtc(): Promise<LayerEntry[]> {
  const entries: LayerEntry[] = [];
  for (const name of COPIED_ETC) {
    const entry = await copied(`/etc/${name}`, `etc/${name}`);
    if (entry !== null) entries.push(entry);
  }
  const stats = await lstat('/etc/localtime').catch(() => null);
  if (stats?.isSymbolicLink()) {
    // It points into /usr, which is bound at the same place.
    entries.push({ path: 'etc/localtime', mode: 0o777, type: 'symlink', target: readlinkSync('/etc/localtime') });
  } else {
    const entry = await copied('/etc/localtime', 'etc/localtime');
    if (entry !== null) entries.push(entry);
  }
  return entries;
}

/** Missing, unreadable for this user, or no file: a program inside finds it missing, as it would on such a host. */
async function copied(from: string, path: string): Promise<LayerEntry | null> {
  const stats = await stat(from).catch(() => null);
  if (!stats?.isFile() || stats.size > COPY_LIMIT) return null;
  const bytes = await readFile(from).catch(() => null);
  if (bytes === null) return null;
  return { path, mode: 0o644, type: 'file', size: bytes.length, open: () => Readable.from([bytes]) };
}

/** The first of each path: a folder that is named twice is one. */
function unique(entries: readonly LayerEntry[]): LayerEntry[] {
  const known = new Map<string, LayerEntry>();
  for (const entry of entries) if (!known.has(entry.path)) known.set(entry.path, entry);
  return [...known.values()];
}
