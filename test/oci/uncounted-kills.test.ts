import { expect, it } from 'vitest';
import { withUncountedKills } from '../../src/backends/oci/uncounted-kills.js';
import type { CgroupEvidence } from '../../src/native.js';

/** Whether a kill that no counter shows was the out-of-memory killer's. */

const FULL: CgroupEvidence = {
  oomKills: 0,
  limitHits: 7,
  peakBytes: 64 << 20,
  currentBytes: 0,
  limitBytes: 64 << 20,
  cpuUsageUs: 1,
};

it.each<[string, Partial<CgroupEvidence>, boolean | null, boolean, number]>([
  ['the engine saw it', { limitHits: 0, peakBytes: 0 }, true, false, 1],
  ['the engine may have missed it, and the cgroup was full', {}, null, false, 1],
  ['the kernel counted it', { oomKills: 3 }, null, false, 3],
  ['the engine would know', {}, false, false, 0],
  ['the worker killed it', {}, null, true, 0],
  ['the limit was never hit', { limitHits: 0 }, null, false, 0],
  ['it was never near its limit', { peakBytes: 32 << 20 }, null, false, 0],
  ['it has no limit', { limitBytes: null }, null, false, 0],
  ['nothing is known of its peak', { peakBytes: null }, null, false, 0],
])('%s', (_, more, said, killedByWorker, oomKills) => {
  const found = { ...FULL, ...more };
  expect(withUncountedKills(found, said, killedByWorker)).toEqual({ ...found, oomKills });
});
