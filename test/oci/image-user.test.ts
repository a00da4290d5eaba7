import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { MEDIA } from '../../src/images/documents.js';
import { imageUser, type LayerBytes, plainUser, userFrom } from '../../src/images/image-user.js';
import { type LayerEntry, layerTar, textFile } from '../../src/images/layer.js';
import { bytesOf } from '../images/support.js';

const FILES = {
  passwd: 'root:x:0:0::/root:/bin/sh\n# a comment\napp:x:1000:1001:App:/home/app:/bin/sh\nodd:x:many:1::/:\n',
  group: 'root:x:0:\napp:x:1001:\nstaff:x:50:app,other\naudio:x:29:other,app\n',
};

async function layer(entries: readonly LayerEntry[], gzip = false): Promise<LayerBytes> {
  const tar = await bytesOf(layerTar(entries));
  const bytes = gzip ? gzipSync(tar) : tar;
  return { mediaType: gzip ? MEDIA.layerGzip : MEDIA.layer, open: () => Readable.from([bytes]) };
}

/** A whiteout, which our own layers never hold. */
async function hiding(name: string): Promise<LayerBytes> {
  const { pack } = await import('tar-stream');
  const tar = pack();
  tar.entry({ name }, '');
  tar.finalize();
  const bytes = await bytesOf(Readable.from(tar as AsyncIterable<Buffer>, { objectMode: false }));
  return { mediaType: MEDIA.layer, open: () => Readable.from([bytes]) };
}

const etc = (files: Partial<typeof FILES>): LayerEntry[] =>
  Object.entries(files).map(([name, text]) => textFile(`etc/${name}`, text));

describe("an image's user", () => {
  it.each([
    ['', { uid: 0, gid: 0, groups: [] }],
    ['root', { uid: 0, gid: 0, groups: [] }],
    ['65534:65533', { uid: 65534, gid: 65533, groups: [] }],
  ])('needs no file when it is "%s"', (text, expected) => {
    expect(plainUser(text)).toEqual(expected);
  });

  it.each([
    ['app', { uid: 1000, gid: 1001, groups: [29, 50] }],
    ['1000', { uid: 1000, gid: 1001, groups: [29, 50] }],
    ['app:staff', { uid: 1000, gid: 50, groups: [] }],
    ['app:77', { uid: 1000, gid: 77, groups: [] }],
    ['4711', { uid: 4711, gid: 0, groups: [] }],
    ['4711:audio', { uid: 4711, gid: 29, groups: [] }],
  ])('"%s" is looked up', (text, expected) => {
    expect(userFrom(text, FILES)).toEqual(expected);
  });

  it.each([
    ['nobody', /"nobody".*\/etc\/passwd/],
    ['app:wheel', /"wheel".*\/etc\/group/],
    ['odd', /no usable number/],
    ['99999999999:1', /no usable number/],
  ])('"%s" is refused', (text, message) => {
    expect(() => plainUser(text) ?? userFrom(text, FILES)).toThrow(message);
  });

  it('is read out of the uppermost layer that has the file, gzip or not', async () => {
    const lower = await layer(etc(FILES), true);
    const upper = await layer(etc({ passwd: 'app:x:7:1001::/:\n' }));
    expect(await imageUser('app', [lower])).toEqual({ uid: 1000, gid: 1001, groups: [29, 50] });
    expect(await imageUser('app', [lower, upper])).toEqual({ uid: 7, gid: 1001, groups: [29, 50] });
    expect(await imageUser('app', [lower, upper, await layer([textFile('x', 'y')])])).toMatchObject({ uid: 7 });
  });

  it.each(['etc/.wh.passwd', 'etc/.wh..wh..opq', '.wh.etc'])('is not found below %s', async (name) => {
    const layers = [await layer(etc(FILES)), await hiding(name)];
    await expect(imageUser('app', layers)).rejects.toMatchObject({ errorClass: 'invalid' });
  });

  it('says what is wrong with layers that cannot be read', async () => {
    const broken: LayerBytes = { mediaType: MEDIA.layerGzip, open: () => Readable.from([Buffer.from('no gzip')]) };
    await expect(imageUser('app', [broken])).rejects.toMatchObject({ errorClass: 'invalid' });
    const zstd: LayerBytes = { mediaType: MEDIA.layerZstd, open: () => Readable.from([]) };
    await expect(imageUser('app', [zstd])).rejects.toThrow(/by number/);
  });
});
