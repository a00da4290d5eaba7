import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from './process.js';

/** Rules of the house that no linter knows. */

function filesBelow(folder: string, endings: readonly string[]): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => join(entry.parentPath, entry.name));
}

const source = [
  // What is made from protocol buffers is nobody's to read.
  ...filesBelow(join(root, 'src'), ['.ts', '.mjs', '.py']).filter((file) => !file.includes('/src/rpc/gen/')),
  ...filesBelow(join(root, 'native'), ['.h', '.cc']),
  ...filesBelow(join(root, 'scripts'), ['.mjs', '.ts']),
  ...filesBelow(join(root, 'functions'), ['.py', '.js', '.c']),
];
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

describe('the tree', () => {
  it('no source file is longer than 400 lines', () => {
    const long = source.filter((file) => readFileSync(file, 'utf8').split('\n').length > 401);
    expect(long.map((file) => relative(root, file))).toEqual([]);
  });

  it('nothing is left to be done', () => {
    const marked = source.filter((file) => /\b(TODO|FIXME|XXX)\b/.test(readFileSync(file, 'utf8')));
    expect(marked.map((file) => relative(root, file))).toEqual([]);
  });

  it('core/ has no randomness of its own', () => {
    const random = filesBelow(join(root, 'src/core'), ['.ts']).filter((file) =>
      readFileSync(file, 'utf8').includes('Math.random'),
    );
    expect(random).toEqual([]);
  });

  it('only native.ts loads the addon', () => {
    const loading = filesBelow(join(root, 'src'), ['.ts']).filter((file) =>
      /node-gyp-build|\.node['"]/.test(readFileSync(file, 'utf8')),
    );
    expect(loading.map((file) => relative(root, file))).toEqual(['src/native.ts']);
  });

  it('every dependency is pinned, and nothing runs at installation', () => {
    const loose = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }).filter(
      ([name, version]) => !/^\d/.test(version as string) && name !== '@types/node',
    );
    expect(loose).toEqual([]);
    for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) {
      expect(manifest.scripts).not.toHaveProperty(name);
    }
  });

  it('requirements of the sample functions are exact pins', () => {
    const lines = filesBelow(join(root, 'functions'), ['requirements.txt']).flatMap((file) =>
      readFileSync(file, 'utf8').trim().split('\n'),
    );
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.filter((line) => !/^[A-Za-z0-9-]+==[0-9.]+$/.test(line))).toEqual([]);
  });

  it('every relative link of the Markdown pages leads somewhere', () => {
    const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'functions/README.md'].map((name) =>
      join(root, name),
    );
    pages.push(...filesBelow(join(root, 'docs'), ['.md']).filter((file) => !file.includes('/docs/api/')));
    const broken = pages.flatMap((page) => {
      const links = [...readFileSync(page, 'utf8').matchAll(/\]\((?!https?:|#|mailto:)([^)#]+)(#[^)]*)?\)/g)];
      return links
        .filter((link) => !existsSync(join(page, '..', link[1] as string)))
        .map((link) => `${relative(root, page)}: ${link[1]}`);
    });
    expect(broken).toEqual([]);
  });
});
