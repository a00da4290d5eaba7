import { posix } from 'node:path';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { IluvatarError } from '../core/errors.js';
import { readAll } from './blobs.js';
import { MEDIA } from './documents.js';
import { invalid, reasonOf } from './failure.js';

/**
 * Whom an image's `User` means: `uid`, `uid:gid`, `name`, `name:group`, by the image's own /etc/passwd and /etc/group, as the specification of images has
 * it. The files are read out of the layers: nothing is unpacked.
 */
export interface ImageUser {
  readonly uid: number;
  readonly gid: number;
  /** Further groups. */
  readonly groups: readonly number[];
}

/** A layer's stored bytes. */
export interface LayerBytes {
  readonly mediaType: string;
  open(): Readable;
}

const ROOT: ImageUser = { uid: 0, gid: 0, groups: [] };
const LARGEST_ID = 0x7fffffff;
/** Both files together have to fit into memory many times over. */
const FILE_LIMIT = 4 * 1024 * 1024;

/** What can be said without the image's files; null = they are needed. */
export function plainUser(text: string): ImageUser | null {
  if (text === '' || text === 'root' || text === '0') return ROOT;
  const match = /^(\d+):(\d+)$/.exec(text);
  return match === null ? null : { uid: idOf(match[1], text), gid: idOf(match[2], text), groups: [] };
}

/** Throws `invalid` for a name that the image does not know. `layers`: lowest first. */
export async function imageUser(text: string, layers: readonly LayerBytes[]): Promise<ImageUser> {
  const plain = plainUser(text);
  if (plain !== null) return plain;
  return userFrom(text, await accountFiles(layers));
}

/** Texts of the two files; '' = the image has none. */
export interface AccountFiles {
  readonly passwd: string;
  readonly group: string;
}

export function userFrom(text: string, { passwd, group }: AccountFiles): ImageUser {
  const colon = text.indexOf(':');
  const [name, groupName] = colon < 0 ? [text, null] : [text.slice(0, colon), text.slice(colon + 1)];
  const account = linesOf(passwd)
    .map(([user = '', , uid = '', gid = '']) => ({ user, uid, gid }))
    .find(({ user, uid }) => user === name || (isNumber(name) && uid === `${Number(name)}`));
  if (account === undefined && !isNumber(name)) {
    throw invalid(`the image's user is "${name}", and its /etc/passwd knows no such name`);
  }
  const uid = idOf(account?.uid ?? name, text);
  const known = linesOf(group).map(([called = '', , gid = '', members = '']) => ({
    called,
    gid,
    members: members.split(','),
  }));
  if (groupName !== null) {
    const found = known.find(({ called, gid }) => called === groupName || gid === groupName);
    if (found === undefined && !isNumber(groupName)) {
      throw invalid(`the image's group is "${groupName}", and its /etc/group knows no such name`);
    }
    return { uid, gid: idOf(found?.gid ?? groupName, text), groups: [] };
  }
  const gid = idOf(account?.gid ?? '0', text);
  const further = known.filter(({ members }) => account !== undefined && members.includes(account.user));
  const groups = new Set(further.map((entry) => idOf(entry.gid, text)));
  groups.delete(gid);
  return { uid, gid, groups: [...groups].sort((a, b) => a - b) };
}

function linesOf(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => line.trim().split(':'));
}

function isNumber(text: string): boolean {
  return /^\d+$/.test(text);
}

function idOf(text: string | undefined, user: string): number {
  const id = Number(text);
  if (!isNumber(text ?? '') || id > LARGEST_ID) throw invalid(`the image's user "${user}" has no usable number`);
  return id;
}

/** The uppermost layer that has a file, or hides it, decides. */
async function accountFiles(layers: readonly LayerBytes[]): Promise<AccountFiles> {
  const found: { -readonly [File in keyof AccountFiles]: string | null } = { passwd: null, group: null };
  for (const layer of [...layers].reverse()) {
    if (found.passwd !== null && found.group !== null) break;
    const here = await filesIn(layer);
    found.passwd ??= here.texts.get('etc/passwd') ?? (hides(here.names, 'passwd') ? '' : null);
    found.group ??= here.texts.get('etc/group') ?? (hides(here.names, 'group') ? '' : null);
  }
  return { passwd: found.passwd ?? '', group: found.group ?? '' };
}

function hides(names: ReadonlySet<string>, file: string): boolean {
  return [`etc/.wh.${file}`, 'etc/.wh..wh..opq', '.wh.etc', '.wh..wh..opq'].some((name) => names.has(name));
}

interface FoundFiles {
  readonly texts: ReadonlyMap<string, string>;
  /** Of what hides lower layers. */
  readonly names: ReadonlySet<string>;
}

async function filesIn({ mediaType, open }: LayerBytes): Promise<FoundFiles> {
  if (mediaType === MEDIA.layerZstd) {
    throw invalid("the image's user is a name, and its layers are of zstd, which is not read here: name it by number");
  }
  const texts = new Map<string, string>();
  const names = new Set<string>();
  const source = open();
  const entries = extract();
  const tar = mediaType === MEDIA.layerGzip ? source.pipe(createGunzip()) : source;
  for (const stream of new Set([source, tar])) stream.on('error', (error) => entries.destroy(error));
  try {
    tar.pipe(entries);
    for await (const entry of entries) {
      const path = posix.normalize(entry.header.name).replace(/^\.?\//, '');
      if (/^(etc\/)?\.wh\./.test(path)) names.add(path);
      if (entry.header.type === 'file' && (path === 'etc/passwd' || path === 'etc/group')) {
        texts.set(path, (await readAll(entry as unknown as Readable, FILE_LIMIT, `/${path} of the image`)).toString());
      } else {
        entry.resume();
      }
    }
  } catch (error) {
    if (error instanceof IluvatarError) throw error;
    throw invalid(`a layer of the image cannot be read: ${reasonOf(error)}`);
  } finally {
    source.destroy();
    tar.destroy();
    entries.destroy();
  }
  return { texts, names };
}
