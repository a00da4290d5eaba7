import { createHash } from 'node:crypto';
import { createWriteStream, readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Header, pack } from 'tar-stream';
import { bytesOf } from '../images/support.js';

/** Docker archives whose layers aim at the host that unpacks them. `outside` is a folder of the host with a `file` and a `folder` in it. */

/** In the form of a tar; what it lacks has the tar's defaults. */
type Entry = Partial<Header> & { readonly name: string } & { readonly content?: string | Buffer };
export type Layers = readonly (readonly Entry[])[];

const UP = '../'.repeat(16);
const link = (name: string, linkname: string): Entry => ({ name, type: 'symlink', linkname });
const hard = (name: string, linkname: string): Entry => ({ name, type: 'link', linkname });
const file = (name: string, content = 'attacked'): Entry => ({ name, content });

export function hostileLayers(outside: string): Readonly<Record<string, Layers>> {
  const path = outside.slice(1);
  return {
    'a file through a link': [[link('out', outside), file('out/made')]],
    'a file over a file through a link': [[link('out', outside), file('out/file')]],
    'a file through a link of the layer below': [[link('out', outside)], [file('out/made'), file('out/file')]],
    'a file through a relative link': [[link('out', `${UP}${path}`)], [file('out/made')]],
    'a file through a link to /proc': [[link('out', `/proc/self/root${outside}`)], [file('out/made')]],
    'a link instead of a folder': [[{ name: 'out', type: 'directory' }], [link('out', outside), file('out/made')]],
    'a folder through a link': [
      [link('out', outside)],
      [{ name: 'out/folder', type: 'directory', mode: 0o777, uid: 1 }],
    ],
    'a name with ..': [[file(`${UP}${path}/made`)]],
    'a name with .. inside': [[file(`usr/${UP}${path}/made`)]],
    'an absolute name': [[file(`${outside}/made`)]],
    'a hard link out, and a file over it': [[hard('taken', `${UP}${path}/file`), file('taken')]],
    'a hard link through a link': [[link('out', outside), hard('taken', 'out/file'), file('taken')]],
    'a hard link to an absolute name': [[hard('taken', `${outside}/file`)], [file('taken')]],
    'a whiteout through a link': [[link('out', outside)], [file('out/.wh.file', ''), file('out/.wh.folder', '')]],
    'an opaque folder through a link': [[link('out', outside)], [file('out/.wh..wh..opq', '')]],
    'a whiteout with ..': [[file(`${UP}${path}/.wh.file`, '')]],
    'a whiteout of ..': [[file('usr/.wh...', ''), file('usr/.wh..', '')]],
    'a device of memory': [[{ name: 'device', type: 'character-device', devmajor: 1, devminor: 1, mode: 0o666 }]],
  };
}

/** An archive as `docker save` writes them: the layers upon one with the program, which the image starts with these arguments. */
export async function writeImage(
  path: string,
  program: string,
  layers: Layers,
  args: readonly string[],
): Promise<void> {
  const base: Entry[] = [
    { name: 'raw', mode: 0o755, content: readFileSync(program) },
    { name: 'setuid', mode: 0o6755, content: readFileSync(program) },
  ];
  const tars = await Promise.all([base, ...layers].map(tarOf));
  const diffIds = tars.map((tar) => `sha256:${createHash('sha256').update(tar).digest('hex')}`);
  const config = {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: { Entrypoint: ['/setuid', ...args], User: '65534:65534' },
    rootfs: { type: 'layers', diff_ids: diffIds },
  };
  const names = tars.map((_, index) => `layer-${index}.tar`);
  const manifest = [{ Config: 'config.json', RepoTags: ['hardening/image:1'], Layers: names }];
  const archive = await tarOf([
    file('manifest.json', JSON.stringify(manifest)),
    file('config.json', JSON.stringify(config)),
    ...tars.map((content, index) => ({ name: names[index] as string, content })),
  ]);
  await pipeline(Readable.from([archive]), createWriteStream(path));
}

async function tarOf(entries: readonly Entry[]): Promise<Buffer> {
  const tar = pack();
  for (const { content, ...header } of entries) {
    const full = { mode: header.type === 'directory' ? 0o755 : 0o644, mtime: new Date(0), ...header };
    if (content === undefined) tar.entry(full);
    else tar.entry(full, content);
  }
  tar.finalize();
  return bytesOf(Readable.from(tar as AsyncIterable<Buffer>, { objectMode: false }));
}
