import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { takeInventory } from './inventory.js';

/**
 * Runs once before the first suite: gives the run a state folder (for skips) and notes what of ours is already on the machine, so that the last
 * test can tell what the suites themselves left.
 */
export default function setup(): (() => void) | undefined {
  if (process.env['ILUVATAR_TEST_BASELINE'] !== undefined) return undefined;
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
