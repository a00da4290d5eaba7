import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildPrograms } from './build-programs.js';
import { takeInventory } from './inventory.js';

/**
 * Runs once before the first suite: brings the build up to date (threads and the command line are run from it), gives the run a state folder (for skips) and notes what of ours is already on the machine, so that the last
 * test can tell what the suites themselves left.
 */
export default async function setup(): Promise<(() => void) | undefined> {
  if (process.env['ILUVATAR_TEST_BASELINE'] !== undefined) return undefined;
  build();
  await buildPrograms();
  const given = process.env['ILUVATAR_TEST_STATE'];
  const folder = given ?? mkdtempSync(join(tmpdir(), 'vitest-state-'));
  process.env['ILUVATAR_TEST_STATE'] = folder;
  const baseline = join(folder, 'baseline.json');
  writeFileSync(baseline, JSON.stringify(takeInventory()));
  process.env['ILUVATAR_TEST_BASELINE'] = baseline;
  return () => {
    if (given === undefined) rmSync(folder, { recursive: true, force: true });
  };
}

function build(): void {
  const setup = fileURLToPath(new URL('../../scripts/setup.mjs', import.meta.url));
  const { status } = spawnSync(process.execPath, [setup, '--only', 'bundles'], { stdio: 'inherit' });
  if (status !== 0) throw new Error('the build failed: see above');
}
