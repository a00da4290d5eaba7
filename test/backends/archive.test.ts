import { existsSync, lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { type Header, pack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { unpackArchive } from '../../src/backends/process/archive.js';
import { cleanAfterEach, temporaryFolder } from './support/temporary.js';

cleanAfterEach();

type Entry = Partial<Header> & { name: string; content?: string };

async function tar(entries: Entry[]): Promise<Buffer> {
  const archive = pack();
  for (const { content, ...header } of entries) {
    archive.entry({ ...header, size: content === undefined ? 0 : Buffer.byteLength(content) } as Header, content ?? '');
  }
  archive.finalize();
  return buffer(archive);
}

async function refused(entries: Entry[]): Promise<{ message: string; outside: boolean }> {
  const parent = temporaryFolder();
  const into = join(parent, 'into');
  const error = await unpackArchive({ archive: await tar(entries), into, maxBytes: 1024 * 1024 }).then(
    () => null,
    (reason: Error & { errorClass?: string }) => reason,
  );
  expect(error).not.toBe(null);
  expect(error?.errorClass).toBe('invalid');
  return { message: error?.message ?? '', outside: existsSync(join(parent, 'evil')) || existsSync('/evil') };
}

describe('unpacking archives', () => {
  it.each(['tar', 'tar.gz'])('unpacks a %s, from bytes and from a file', async (kind) => {
    const plain = await tar([
      { name: './main.py', content: 'print(1)', mode: 0o644 },
      { name: 'bin/tool', content: '#!', mode: 0o755 },
      { name: 'link', type: 'symlink', linkname: 'bin/tool' },
      { name: '._main.py', content: 'noise' },
    ]);
    const archive = kind === 'tar' ? plain : gzipSync(plain);
    const into = temporaryFolder();
    expect(await unpackArchive({ archive, into, maxBytes: 1000 })).toEqual({ files: 2, bytes: 15 });
    expect(readFileSync(join(into, 'main.py'), 'utf8')).toBe('print(1)');
    expect(lstatSync(join(into, 'link')).isSymbolicLink()).toBe(true);
    expect(lstatSync(join(into, 'bin/tool')).mode & 0o111).not.toBe(0);
    expect(existsSync(join(into, '._main.py'))).toBe(false);
    const file = join(temporaryFolder(), `a.${kind}`);
    writeFileSync(file, archive);
    expect((await unpackArchive({ archive: file, into: temporaryFolder(), maxBytes: 1000 })).files).toBe(2);
  });

  const attacks: [string, Entry[]][] = [
    ['a path out of the folder', [{ name: '../evil', content: 'x' }]],
    ['one hidden in the middle', [{ name: 'a/../../evil', content: 'x' }]],
    ['an absolute path', [{ name: '/evil', content: 'x' }]],
    ['a link out of the folder', [{ name: 'l', type: 'symlink', linkname: '../..' }]],
    ['an absolute link', [{ name: 'l', type: 'symlink', linkname: '/etc/passwd' }]],
    [
      'a file written through a link',
      [
        { name: 'd', type: 'symlink', linkname: 'e' },
        { name: 'd/evil', content: 'x' },
      ],
    ],
    [
      'a link that replaces a folder with files',
      [
        { name: 'd/a', content: 'x' },
        { name: 'd', type: 'symlink', linkname: 'e' },
      ],
    ],
    ['a hard link', [{ name: 'h', type: 'link', linkname: 'main.py' }]],
    ['a device', [{ name: 'null', type: 'character-device', devmajor: 1, devminor: 3 }]],
    ['a pipe', [{ name: 'p', type: 'fifo' }]],
    [
      'the same name twice',
      [
        { name: 'a', content: '1' },
        { name: 'a', content: '2' },
      ],
    ],
    ['nothing in it', []],
  ];
  it.each(attacks)('refuses %s', async (_name, entries) => {
    expect((await refused([...entries])).outside).toBe(false);
  });

  it('stops at the limit instead of filling the disk', async () => {
    const bomb = gzipSync(await tar([{ name: 'zeros', content: '\0'.repeat(8 * 1024 * 1024) }]));
    expect(bomb.length).toBeLessThan(100_000);
    const into = temporaryFolder();
    await expect(unpackArchive({ archive: bomb, into, maxBytes: 1024 * 1024 })).rejects.toMatchObject({
      errorClass: 'too_large',
    });
    expect(lstatSync(join(into, 'zeros')).size).toBeLessThanOrEqual(1024 * 1024);
  });

  it('answers any garbage with a named error', async () => {
    const good = await tar([{ name: 'main.py', content: 'x'.repeat(600) }]);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(good.length - 1),
        fc.integer({ min: 0, max: 255 }),
        fc.boolean(),
        async (at, byte, zipped) => {
          const bad = Buffer.from(good);
          bad[at] = byte;
          const cut = zipped ? gzipSync(bad).subarray(0, 60 + (at % 200)) : bad.subarray(0, Math.max(1, at));
          const into = join(temporaryFolder(), 'into');
          try {
            await unpackArchive({ archive: cut, into, maxBytes: 10_000 });
          } catch (error) {
            expect(['invalid', 'too_large']).toContain((error as { errorClass?: string }).errorClass);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
