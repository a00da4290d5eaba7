import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { transformSync } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fold, loadOf } from '../../src/telemetry/profile/folded.js';
import { SourcePlaces } from '../../src/telemetry/profile/source-places.js';

/** A built file is told by its map where each of its functions was written. */
describe('places in what is built', () => {
  let folder: string;
  let url: string;
  let line: number;
  let column: number;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-places-'));
    mkdirSync(join(folder, 'dist'));
    const source =
      '// one\n// two\ninterface Gone { a: number }\n\nexport function outer(given: Gone): number {\n  return given.a;\n}\n';
    const { code, map } = transformSync(source, { loader: 'ts', sourcemap: true, sourcefile: '../src/core/outer.ts' });
    writeFileSync(join(folder, 'dist', 'built.js'), code);
    writeFileSync(join(folder, 'dist', 'built.js.map'), map);
    url = pathToFileURL(join(folder, 'dist', 'built.js')).href;
    const lines = code.split('\n');
    line = lines.findIndex((text) => text.includes('function outer('));
    column = (lines[line] as string).indexOf('outer');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('are those of the source', () => {
    expect(line).toBeLessThan(4);
    const { url: source, line: written } = new SourcePlaces().find(url, line, column);
    expect(source).toBe(pathToFileURL(join(folder, 'src/core/outer.ts')).href);
    expect(written).toBe(4);
  });

  it('stay what they are without a map, or with one that is none', () => {
    const other = pathToFileURL(join(folder, 'dist', 'other.js')).href;
    expect(new SourcePlaces().find(other, 7, 3)).toEqual({ url: other, line: 7 });
    expect(new SourcePlaces().find('node:events', 7, 3)).toEqual({ url: 'node:events', line: 7 });
    writeFileSync(join(folder, 'dist', 'other.js.map'), '{ "version": 3,');
    expect(new SourcePlaces().find(other, 7, 3)).toEqual({ url: other, line: 7 });
  });

  it('are what a profile names its frames after', () => {
    const root = { functionName: '(root)', scriptId: '0', url: '', lineNumber: -1, columnNumber: -1 };
    const outer = { functionName: 'outer', scriptId: '1', url, lineNumber: line, columnNumber: column };
    const profile = {
      nodes: [
        { id: 1, callFrame: root, children: [2] },
        { id: 2, callFrame: outer },
      ],
      startTime: 0,
      endTime: 20,
      samples: [2, 2],
      timeDeltas: [0, 10],
    };
    const profiled = { thread: 'main', profile };
    expect([...fold([profiled]).keys()]).toEqual(['main;outer (src/core/outer.ts:5)']);
    expect(loadOf(profiled, 1).top[0]?.frame).toBe('outer (src/core/outer.ts:5)');
  });
});
