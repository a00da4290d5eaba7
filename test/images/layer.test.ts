import { createHash } from 'node:crypto';
import {
  chmodSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BlobFolder, checked, digestOf } from '../../src/images/blobs.js';
import { type LayerEntry, layerTar, textFile } from '../../src/images/layer.js';
import { treeEntries } from '../../src/images/tree.js';
import { bytesOf, readTar, run, temporaryFolder, write } from './support.js';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

const namesIn = async (entries: readonly LayerEntry[]): Promise<string[]> =>
  (await readTar(layerTar(entries))).map(({ header }) => header.name);

describe('the tar of a layer', () => {
  it('reads back as what was put in, whatever the order, byte for byte the same', async () => {
    const name = fc.string({
      unit: fc.constantFrom('a', 'B', 'z', '.', '-', 'é', '漢', ' ', '='),
      minLength: 1,
      maxLength: 60,
    });
    const part = name.filter((text) => text !== '.' && text !== '..' && !text.startsWith('.wh.'));
    const path = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => `root/${parts.join('/')}`);
    const files = fc.dictionary(path, fc.string({ maxLength: 700 }), { maxKeys: 8 });
    await fc.assert(
      fc.asyncProperty(files, fc.boolean(), async (texts, backwards) => {
        const paths = Object.keys(texts);
        // A file that another lies below is no file.
        const kept = paths.filter((one) => !paths.some((other) => other.startsWith(`${one}/`)));
        const entries = kept.map((one) => textFile(one, texts[one] as string));
        const tar = await bytesOf(layerTar(backwards ? [...entries].reverse() : entries));
        expect(tar.equals(await bytesOf(layerTar(entries)))).toBe(true);
        const read = await readTar(tar);
        const found = read.filter(({ header }) => header.type === 'file');
        expect(Object.fromEntries(found.map(({ header, content }) => [header.name, content.toString()]))).toEqual(
          Object.fromEntries(kept.map((one) => [one, texts[one]])),
        );
        for (const { header } of read) expect(header).toMatchObject({ uid: 0, gid: 0, mtime: new Date(0), uname: '' });
      }),
      { numRuns: 60 },
    );
  });

  it('is understood by tar, with long names, links, owners beyond the header, and modes', async () => {
    const long = `${'d'.repeat(120)}/${'f'.repeat(200)}`;
    const entries: LayerEntry[] = [
      { ...textFile(long, 'long'), mode: 0o600 },
      { ...textFile('secret', 'x'), mode: 0 },
      { ...textFile('program', 'x'), mode: 0o4755, uid: 3_000_000, gid: 2_500_000 },
      { path: 'again', mode: 0o644, type: 'hardlink', target: 'a' },
      textFile('a', 'one'),
      { path: 'link', mode: 0o777, type: 'symlink', target: `x/${'é'.repeat(80)}` },
      { path: 'pipe', mode: 0o600, type: 'fifo' },
      { path: 'null', mode: 0o666, type: 'device', block: false, major: 1, minor: 3 },
    ];
    writeFileSync(join(folder.path, 'layer.tar'), await bytesOf(layerTar(entries)));
    const { stdout } = await run('tar', ['--numeric-owner', '--utc', '-tvf', join(folder.path, 'layer.tar')], {
      env: { ...process.env, LC_ALL: 'C.UTF-8' },
    });
    const line = (end: string): string => stdout.split('\n').find((text) => text.endsWith(end)) ?? '';
    expect(line(`/${'f'.repeat(200)}`)).toMatch(/^-rw------- 0\/0 +4 1970-01-01 00:00/);
    expect(line(' secret')).toMatch(/^---------- /);
    expect(line(' program')).toMatch(/^-rwsr-xr-x 3000000\/2500000 /);
    expect(line('again link to a')).toMatch(/^h/);
    expect(line(`link -> x/${'é'.repeat(80)}`)).toMatch(/^lrwxrwxrwx/);
    expect(line(' pipe')).toMatch(/^p/);
    expect(line(' null')).toMatch(/^crw-rw-rw- 0\/0 +1,3/);
    expect(line(`${'d'.repeat(120)}/`)).toMatch(/^drwxr-xr-x/);
  });

  it('names folders before what lies in them, once, and hides lower layers where told', async () => {
    const entries: LayerEntry[] = [
      textFile('a/b/c', ''),
      textFile('a-b', ''),
      { path: 'a', mode: 0o700, type: 'folder' },
      { path: 'a', mode: 0o755, type: 'opaque' },
    ];
    expect(await namesIn(entries)).toEqual(['a/', 'a-b', 'a/.wh..wh..opq', 'a/b/', 'a/b/c']);
  });

  it.each<[string, LayerEntry[]]>([
    ['a path that leads out', [textFile('../x', '')]],
    ['an absolute path', [textFile('/x', '')]],
    ['an empty part', [textFile('a//b', '')]],
    ['a NUL', [textFile('a\0b', '')]],
    ['a path that is too long', [textFile('x'.repeat(5000), '')]],
    ['a whiteout', [textFile('a/.wh.b', '')]],
    ['the same path twice', [textFile('a', ''), textFile('a', '')]],
    ['a file below a file', [textFile('a', ''), textFile('a/b', '')]],
    ['a file below a link', [{ path: 'a', mode: 0o777, type: 'symlink', target: '/etc' }, textFile('a/b', '')]],
    ['a hard link to nothing', [{ path: 'b', mode: 0o644, type: 'hardlink', target: 'a' }]],
    ['a link to nowhere', [{ path: 'b', mode: 0o777, type: 'symlink', target: '' }]],
  ])('refuses %s', (_, entries) => {
    expect(() => layerTar(entries)).toThrow(expect.objectContaining({ errorClass: 'invalid' }));
  });

  it.each([
    ['shorter', 5],
    ['longer', 1],
  ])('fails when a file is %s than it was', async (_, size) => {
    const entry: LayerEntry = {
      path: 'f',
      mode: 0o644,
      type: 'file',
      size,
      open: () => Readable.from([Buffer.from('abc')]),
    };
    await expect(bytesOf(layerTar([entry]))).rejects.toMatchObject({
      errorClass: 'invalid',
      message: expect.stringContaining('changed while it was read'),
    });
  });

  it('streams: a large file does not pass through memory as a whole', async () => {
    const file = join(folder.path, 'source', 'large');
    mkdirSync(join(folder.path, 'source'));
    writeFileSync(file, '');
    truncateSync(file, 192 * 1024 * 1024);
    const entries = await treeEntries(join(folder.path, 'source'), { prefix: 'x', kind: 'source' });
    const before = process.memoryUsage().rss;
    const stored = await new BlobFolder(folder.path).putLayer(layerTar(entries), true);
    expect(process.memoryUsage().rss - before).toBeLessThan(96 * 1024 * 1024);
    expect(stored.size).toBeLessThan(1024 * 1024);
  });
});

describe('a folder as a layer', () => {
  it('is the same for a copy with other times, owners, modes and order of making', async () => {
    const files = ['a', 'b/c', 'b/d e', 'b-x', 'é'];
    const digests: string[] = [];
    for (const [i, order] of [files, [...files].reverse()].entries()) {
      const copy = join(folder.path, `copy${i}`);
      await write(copy, Object.fromEntries(order.map((path) => [path, `content of ${path}`])));
      symlinkSync('b/c', join(copy, 'link'));
      chmodSync(join(copy, 'a'), i === 0 ? 0o700 : 0o775);
      chmodSync(join(copy, 'é'), i === 0 ? 0o600 : 0o644);
      for (const path of readdirSync(copy)) lutimesSync(join(copy, path), i * 1000, i * 1000);
      if (process.getuid?.() === 0 && i === 1) await run('chown', ['-R', '1234:4321', copy]);
      const entries = await treeEntries(copy, { prefix: 'function', kind: 'source' });
      digests.push(digestOf(await bytesOf(layerTar(entries))));
    }
    expect(digests[0]).toBe(digests[1]);
  });

  it('keeps what belongs to a root file system: modes, hard links in the order of the tar', async () => {
    const root = await write(join(folder.path, 'root'), { 'usr/bin/tool': 'x', 'proc/1': 'not content' });
    chmodSync(join(root, 'usr/bin/tool'), 0o4711);
    linkSync(join(root, 'usr/bin/tool'), join(root, 'usr/bin-tool'));
    utimesSync(join(root, 'usr'), 5, 5);
    const read = await readTar(layerTar(await treeEntries(root, { prefix: '', kind: 'system' })));
    expect(read.map(({ header }) => [header.name, header.type, header.mode, header.linkname])).toEqual([
      ['proc/', 'directory', 0o755, null],
      ['usr/', 'directory', 0o755, null],
      ['usr/bin/', 'directory', 0o755, null],
      ['usr/bin-tool', 'file', 0o4711, null],
      ['usr/bin/tool', 'link', 0o4711, 'usr/bin-tool'],
    ]);
  });
});

describe('blobs', () => {
  it('are what sha256sum says, and are compressed the same each time', async () => {
    const blobs = new BlobFolder(folder.path);
    const entries = [textFile('a', 'hello'.repeat(1000))];
    const [plain, zipped, again] = [
      await blobs.putLayer(layerTar(entries), false),
      await blobs.putLayer(layerTar(entries), true),
      await blobs.putLayer(layerTar(entries), true),
    ];
    expect(plain.diffId).toBe(plain.digest);
    expect(zipped).toEqual(again);
    expect(zipped.diffId).toBe(plain.digest);
    for (const { digest } of [plain, zipped]) {
      const { stdout } = await run('sha256sum', [blobs.path(digest)]);
      expect(`sha256:${stdout.split(' ')[0]}`).toBe(digest);
    }
    expect(readdirSync(join(folder.path, 'blobs/sha256')).length).toBe(2);
  });

  it('are checked to their last byte', async () => {
    const bytes = Buffer.from('some content');
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    const read = (content: Buffer): Promise<Buffer> =>
      bytesOf(checked(Readable.from([content]), digest, bytes.length, 'here'));
    expect(await read(bytes)).toEqual(bytes);
    await expect(read(Buffer.from('some kontent'))).rejects.toThrow('has the digest');
    await expect(read(bytes.subarray(1))).rejects.toThrow('cut short: 11 of 12 bytes');
    await expect(read(Buffer.concat([bytes, bytes]))).rejects.toThrow('longer than its 12 bytes');
  });
});
