import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BUNDLED } from '../../scripts/bundle.mjs';
import { ENTRY_POINTS } from '../../scripts/entry-points.mjs';
import { root } from './process.js';

/** The build holds what is started from it, says whose code is in it, and knows nothing of the machine it was made on. */
describe('the build', () => {
  const dist = join(root, 'dist');
  const files = readdirSync(dist, { recursive: true, encoding: 'utf8' });

  it('has a file for each entry point, and an entry point for each thread and process', () => {
    const entries = ENTRY_POINTS.flat();
    for (const entry of entries) expect(existsSync(join(dist, `${entry}.js`)), entry).toBe(true);
    const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' });
    const started = sources
      .filter((file) => file.endsWith('.ts') && !file.startsWith('rpc/gen'))
      .flatMap((file) => [...readFileSync(join(root, 'src', file), 'utf8').matchAll(/threadFile\('([^']+)'\)/g)])
      .map(([, name]) => name as string);
    expect(started).toContain('worker/shard-task');
    expect(entries).toEqual(expect.arrayContaining(started));
  });

  it('says where each file was written, without saying on which machine', () => {
    const maps = files.filter((file) => file.endsWith('.js.map'));
    expect(maps).toContain('index.js.map');
    for (const file of files.filter((name) => /\.(js|map)$/.test(name))) {
      expect(readFileSync(join(dist, file), 'utf8').includes(root), file).toBe(false);
    }
    const { sources } = JSON.parse(readFileSync(join(dist, 'worker/shard-task.js.map'), 'utf8')) as {
      sources: string[];
    };
    expect(sources).toContain('../../src/worker/shard-task.ts');
  });

  it('has of packages what NOTICE says, with their licences', () => {
    const maps = files.filter((file) => file.endsWith('.js.map'));
    const sources = maps.flatMap((file) => JSON.parse(readFileSync(join(dist, file), 'utf8')).sources as string[]);
    const packages = sources.flatMap((path) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []);
    expect([...new Set(packages)].sort()).toEqual([...BUNDLED].sort());
    const notice = readFileSync(join(root, 'NOTICE'), 'utf8');
    const licenses = readFileSync(join(dist, 'licenses.txt'), 'utf8');
    for (const name of BUNDLED) {
      expect(notice).toContain(name);
      expect(licenses).toContain(readFileSync(join(root, 'node_modules', name, 'LICENSE'), 'utf8').trim());
    }
  });

  it('has one of the languages of zod', () => {
    const { sources } = JSON.parse(readFileSync(join(dist, 'worker/lifecycle/tasks.js.map'), 'utf8')) as {
      sources: string[];
    };
    const locales = sources.filter((path) => path.includes('/zod/v4/locales/'));
    expect(locales.map((path) => path.split('/').at(-1))).toEqual(['en.js']);
  });
});
