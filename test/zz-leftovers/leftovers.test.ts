import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { difference, type Inventory, takeInventory } from '../support/inventory.js';

/**
 * Runs after every other suite, alone: nothing that carries our name may be on the machine that was not there before the first one.
 */
it('no process, cgroup, mount, network namespace, link, socket, table, temporary folder or daemon of ours is left', async () => {
  const baseline = JSON.parse(readFileSync(process.env['ILUVATAR_TEST_BASELINE'] as string, 'utf8')) as Inventory;
  let left = difference(baseline, takeInventory());
  // The kernel reaps and the last worker's exit may still be under way: bounded patience, then whatever is left is a leak.
  for (let round = 0; left.length > 0 && round < 120; round++) {
    await sleep(250);
    left = difference(baseline, takeInventory());
  }
  expect(left).toEqual([]);
});
