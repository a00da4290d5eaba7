import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ImportRequest, importSource } from '../../src/backends/process/source.js';
import { cleanAfterEach, temporaryFolder, writeTree } from './support/temporary.js';

cleanAfterEach();

function request(source: string, more: Partial<ImportRequest> = {}): ImportRequest {
  const store = temporaryFolder();
  mkdirSync(join(store, 'code'));
  mkdirSync(join(store, 'staging'));
  return {
    source,
    code: join(store, 'code'),
    staging: join(store, 'staging'),
    maxBytes: 1024 * 1024,
    runtime: null,
    entry: null,
    dependencies: true,
    nodeAbi: 'node-115',
    ...more,
  };
}

describe('importing source', () => {
  it('copies a folder under the hash of its content, read-only and without what is no source', async () => {
    const source = writeTree(temporaryFolder(), {
      'main.py': 'import numpy\ndef main(args): return 1\n',
      'lib/helper.py': 'x = 1\n',
      'run.sh': { text: '#!/bin/sh\n', mode: 0o755 },
      '__pycache__/main.pyc': 'junk',
      '.git/HEAD': 'ref',
      'node_modules/x/index.js': 'x',
    });
    const wanted = request(source);
    const imported = await importSource(wanted);
    const stored = join(wanted.code, imported.digest);
    expect(imported.runtime).toBe('python3');
    expect(imported.entry).toBe('main:main');
    expect(imported.imports).toContain('numpy');
    expect(readFileSync(join(stored, 'lib/helper.py'), 'utf8')).toBe('x = 1\n');
    expect(lstatSync(join(stored, 'main.py')).mode & 0o777).toBe(0o444);
    expect(lstatSync(join(stored, 'run.sh')).mode & 0o777).toBe(0o555);
    for (const absent of ['__pycache__', '.git', 'node_modules']) expect(existsSync(join(stored, absent))).toBe(false);
    expect(existsSync(join(wanted.staging, 'code'))).toBe(false);
  });

  it('gives the same content the same digest wherever it lies, and any difference another one', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.stringMatching(/^[a-z]{1,6}$/), fc.string({ maxLength: 40 }), { minKeys: 1, maxKeys: 5 }),
        fc.nat(),
        async (files, pick) => {
          const tree: Record<string, string> = { 'main.py': 'def main(): pass' };
          for (const [name, text] of Object.entries(files)) tree[`${name}.txt`] = text;
          const reversed = Object.fromEntries(Object.entries(tree).reverse());
          const one = await importSource(request(writeTree(temporaryFolder(), tree)));
          const two = await importSource(request(writeTree(temporaryFolder(), reversed)));
          expect(two.digest).toBe(one.digest);
          const names = Object.keys(tree);
          const changed = names[pick % names.length] as string;
          const three = await importSource(
            request(writeTree(temporaryFolder(), { ...tree, [changed]: `${tree[changed]}#` })),
          );
          expect(three.digest).not.toBe(one.digest);
        },
      ),
      { numRuns: 20 },
    );
  });

  it('tells files apart whose bytes only meet at a different boundary, and executable from not', async () => {
    const main = { 'main.py': 'def main(): pass' };
    const digest = async (files: Record<string, string | { text: string; mode: number }>): Promise<string> =>
      (await importSource(request(writeTree(temporaryFolder(), { ...main, ...files })))).digest;
    expect(await digest({ a: 'bc', b: '' })).not.toBe(await digest({ a: 'b', b: 'c' }));
    expect(await digest({ a: { text: 'x', mode: 0o755 } })).not.toBe(await digest({ a: { text: 'x', mode: 0o644 } }));
  });

  it('takes a single file and names its entry after it', async () => {
    const folder = writeTree(temporaryFolder(), { 'hello.py': 'def main(args):\n  return 1\n', 'other.py': 'x' });
    const wanted = request(join(folder, 'hello.py'));
    const imported = await importSource(wanted);
    expect(imported.entry).toBe('hello:main');
    expect(existsSync(join(wanted.code, imported.digest, 'other.py'))).toBe(false);
  });

  it('finds each runtime from what is there', async () => {
    const found = async (
      files: Parameters<typeof writeTree>[1],
      more: Partial<ImportRequest> = {},
    ): Promise<string> => {
      const imported = await importSource(request(writeTree(temporaryFolder(), files), more));
      return `${imported.runtime} ${imported.entry}`;
    };
    expect(await found({ 'handler.py': 'async def handler(event): pass' })).toBe('python3 handler:handler');
    expect(await found({ 'index.mjs': 'export const handler = 1' })).toBe('nodejs index.mjs:handler');
    expect(await found({ 'package.json': '{"main":"./lib/start"}', 'lib/start.js': '' })).toBe(
      'nodejs lib/start.js:handler',
    );
    expect(await found({ tool: { text: '#!/bin/sh\n', mode: 0o755 } })).toBe('binary tool');
    expect(await found({ 'a/b.py': 'def go(): pass' }, { entry: 'a.b:go' })).toBe('python3 a.b:go');
    expect(await found({ 'x.js': '', 'y.py': '' }, { entry: 'x:run' })).toBe('nodejs x.js:run');
  });

  it('says what it looked for when there is no entry point', async () => {
    const source = writeTree(temporaryFolder(), { 'readme.txt': 'hi' });
    await expect(importSource(request(source))).rejects.toMatchObject({
      errorClass: 'invalid',
      message: expect.stringMatching(/main\.py.*index\.js.*there is readme\.txt/s),
    });
    await expect(importSource(request(source, { entry: 'app:main' }))).rejects.toMatchObject({
      errorClass: 'invalid',
      message: expect.stringContaining('app.py'),
    });
  });

  it('refuses what is not there, too large, or leads out of the folder', async () => {
    const folder = writeTree(temporaryFolder(), { 'main.py': 'def main(): pass' });
    await expect(importSource(request(join(folder, 'nothing')))).rejects.toMatchObject({ errorClass: 'invalid' });
    await expect(importSource(request('relative/path'))).rejects.toMatchObject({ errorClass: 'invalid' });
    symlinkSync('/etc/passwd', join(folder, 'secret'));
    await expect(importSource(request(folder))).rejects.toMatchObject({
      errorClass: 'invalid',
      message: expect.stringContaining('"secret"'),
    });
    const big = writeTree(temporaryFolder(), { 'main.py': 'def main(): pass' });
    writeFileSync(join(big, 'data'), Buffer.alloc(2 * 1024 * 1024));
    await expect(importSource(request(big))).rejects.toMatchObject({ errorClass: 'too_large' });
  });

  it('keeps links that stay inside', async () => {
    const folder = writeTree(temporaryFolder(), { 'main.py': 'def main(): pass', 'data/a': '1' });
    symlinkSync('data/a', join(folder, 'current'));
    symlinkSync(join(folder, 'data'), join(folder, 'absolute'));
    const wanted = request(folder);
    const stored = join(wanted.code, (await importSource(wanted)).digest);
    expect(readlinkSync(join(stored, 'current'))).toBe('data/a');
    expect(readlinkSync(join(stored, 'absolute'))).toBe('data');
  });

  it('links the packages of a Node function where it will find them, with and without a private root', async () => {
    const folder = writeTree(temporaryFolder(), { 'index.mjs': '', 'package.json': '{"dependencies":{"a":"1"}}' });
    const wanted = request(folder);
    const imported = await importSource(wanted);
    const link = readlinkSync(join(wanted.code, imported.digest, 'node_modules'));
    expect(link).toBe(`../../layers/${imported.nodeLayer}/node_modules`);
    const vendored = request(folder, { dependencies: false });
    expect((await importSource(vendored)).nodeLayer).toBe(null);
  });

  it('is idempotent: the same source again leaves the stored one alone', async () => {
    const folder = writeTree(temporaryFolder(), { 'main.py': 'def main(): pass' });
    const wanted = request(folder);
    const first = await importSource(wanted);
    const inode = lstatSync(join(wanted.code, first.digest)).ino;
    const again = await Promise.all([importSource(wanted), importSource(wanted)]);
    expect(again.map((source) => source.digest)).toEqual([first.digest, first.digest]);
    expect(lstatSync(join(wanted.code, first.digest)).ino).toBe(inode);
    chmodSync(folder, 0o755);
  });
});
