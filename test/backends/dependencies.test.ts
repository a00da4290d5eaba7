import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { LayerInstaller } from '../../src/backends/process/dependencies.js';
import { scanPythonImports, topLevelNames, usedModules } from '../../src/backends/process/imports.js';
import { findNode, findPython, type Interpreter } from '../../src/backends/process/interpreter.js';
import { normaliseRequirements } from '../../src/backends/process/layer-name.js';
import { type BackendPaths, makePaths } from '../../src/backends/process/paths.js';
import { type ImportedSource, importSource } from '../../src/backends/process/source.js';
import { describeWith } from '../support/requirement.js';
import { removeTemporaryFolders, temporaryFolder, writeTree } from './support/temporary.js';
import { makeWheel } from './support/wheel.js';

afterEach(removeTemporaryFolders);

const python = (await findPython('')).interpreter as Interpreter;
const node = (await findNode()).interpreter as Interpreter;

async function imported(paths: BackendPaths, files: Record<string, string>): Promise<ImportedSource> {
  const source = writeTree(temporaryFolder(), files);
  const { code, staging } = paths;
  return importSource({
    source,
    code,
    staging,
    maxBytes: 1e6,
    runtime: null,
    entry: null,
    dependencies: true,
    nodeAbi: node.abi,
  });
}

function setting(): { paths: BackendPaths; layers: LayerInstaller; wheels: string } {
  const paths = makePaths({ name: 'layers', dataDir: temporaryFolder() }, 0);
  const wheels = temporaryFolder();
  makeWheel(wheels, 'ilu_thing', '1.0', {
    'ilu_thing/__init__.py': 'VALUE = 41\n',
    'ilu_thing/deep.py': 'VALUE = 42\n',
  });
  return { paths, layers: new LayerInstaller(paths), wheels };
}

describeWith({ file: '/usr/bin/python3' }, 'installing dependencies', () => {
  it('installs once for callers that come together, and tells all of them', async () => {
    const { paths, layers, wheels } = setting();
    const source = await imported(paths, {
      'main.py': 'from ilu_thing import deep\ndef main(a): return deep.VALUE\n',
      'requirements.txt': `--no-index\n--find-links ${wheels}\nilu_thing==1.0\n`,
    });
    const lines: string[][] = [[], [], []];
    const names = await Promise.all(lines.map((mine) => layers.python(source, python, (line) => mine.push(line))));
    expect(new Set(names).size).toBe(1);
    expect(layers.installed).toBe(1);
    expect(layers.reused).toBe(2);
    for (const mine of lines) expect(mine.join('\n')).toMatch(/Successfully installed ilu_thing|ilu-thing/);
    const layer = join(paths.store, names[0] as string);
    expect(readFileSync(join(layer, 'ilu_thing/deep.py'), 'utf8')).toBe('VALUE = 42\n');
    expect(readdirSync(join(layer, 'ilu_thing/__pycache__')).length).toBe(2);
    expect(statSync(layer).mode & 0o777).toBe(0o755);
    expect(topLevelNames(layer)).toEqual(['ilu_thing']);
    expect(usedModules(layer, source.imports)).toEqual({ modules: ['ilu_thing', 'ilu_thing.deep'], heavy: false });
    expect(readdirSync(paths.staging)).toEqual([]);
    expect(await layers.python(source, python, () => {})).toBe(names[0]);
    expect(layers.installed).toBe(1);
  });

  it('shares a layer between sources that ask for the same, however it is written', async () => {
    const { paths, layers, wheels } = setting();
    const find = `--no-index\n--find-links ${wheels}\n`;
    const one = await imported(paths, { 'main.py': 'def main(): pass', 'requirements.txt': `${find}ilu_thing==1.0` });
    const two = await imported(paths, {
      'main.py': 'def main(): return 2',
      'requirements.txt': `# ours\r\n${find}\n  ilu_thing==1.0   # pinned\n\n`,
    });
    expect(await layers.python(two, python, () => {})).toBe(await layers.python(one, python, () => {}));
    expect(normaliseRequirements('a # b\n\n  c   d\r\nhttp://x/#egg=y')).toBe('a\nc d\nhttp://x/#egg=y');
  });

  it('fails with what pip said, and leaves nothing half-made', async () => {
    const { paths, layers, wheels } = setting();
    const source = await imported(paths, {
      'main.py': 'def main(): pass',
      'requirements.txt': `--no-index\n--find-links ${wheels}\nno-such-package==9\n`,
    });
    await expect(layers.python(source, python, () => {})).rejects.toMatchObject({
      errorClass: 'invalid',
      message: expect.stringContaining('no-such-package==9'),
    });
    expect(readdirSync(paths.layers)).toEqual([]);
    expect(readdirSync(paths.staging)).toEqual([]);
  });

  it('says what to install when the interpreter has no pip', async () => {
    const { paths, layers } = setting();
    const bare = join(
      writeTree(temporaryFolder(), {
        python3: { text: '#!/bin/sh\necho "$0: No module named pip" >&2\nexit 1\n', mode: 0o755 },
      }),
      'python3',
    );
    const source = await imported(paths, { 'main.py': 'def main(): pass', 'requirements.txt': 'x\n' });
    await expect(layers.python(source, { ...python, executable: bare }, () => {})).rejects.toMatchObject({
      message: expect.stringContaining('apt-get install python3-pip'),
    });
  });

  it('needs no layer for an empty requirements.txt', async () => {
    const { paths, layers } = setting();
    const source = await imported(paths, { 'main.py': 'def main(): pass', 'requirements.txt': '# nothing\n' });
    expect(await layers.python(source, python, () => {})).toBe(null);
  });

  it('reads imports as Python writes them', () => {
    const text = [
      'import os, numpy as np',
      'from PIL import Image, ImageOps as ops',
      'def main():',
      '    import sklearn.linear_model',
      '    from a.b import (c,',
      '        d)',
      'from . import sibling',
      '# import commented',
    ].join('\n');
    expect(scanPythonImports(text)).toEqual(
      ['PIL', 'PIL.Image', 'PIL.ImageOps', 'a.b', 'a.b.c', 'a.b.d', 'numpy', 'os', 'sklearn.linear_model'].sort(),
    );
  });
});

describeWith({ command: 'npm' }, 'installing Node dependencies', () => {
  it('installs a package from a folder of the source', async () => {
    const { paths, layers } = setting();
    const source = await imported(paths, {
      'index.js': "exports.handler = () => require('thing')",
      'package.json': '{"name":"f","dependencies":{"thing":"file:./thing"}}',
      'thing/package.json': '{"name":"thing","version":"1.0.0","main":"index.js"}',
      'thing/index.js': 'module.exports = 42',
    });
    const name = await layers.node(source, node, () => {});
    expect(name).toBe(`layers/${source.nodeLayer}`);
    expect(existsSync(join(paths.store, name as string, 'node_modules/thing/index.js'))).toBe(true);
  });
});
