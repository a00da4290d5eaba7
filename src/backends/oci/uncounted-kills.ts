import type { CgroupEvidence } from '../../native.js';

/** Of the limit. A charge that fails asks for up to a huge page at once, so the peak can be a little below. */
const AT_THE_LIMIT = 0.9;

/**
 * Puts kills by the kernel's out-of-memory killer where it could not count them: on cgroup v1 it counts in the victim's own cgroup, and where the engine has put one of its
 * own below ours, that is gone by now. `said`: what the engine saw; null = nothing, but it may have missed it (Docker hears of it through an
 * event that is lost when the cgroup is removed before it is read). Then a SIGKILL that is nobody's, in a cgroup that has hit its limit and been full, is taken for one.
 */
export function withUncountedKills(
  found: CgroupEvidence,
  said: boolean | null,
  killedByWorker: boolean,
): CgroupEvidence {
  if (found.oomKills > 0 || said === false) return found;
  if (said === true) return { ...found, oomKills: 1 };
  const { limitBytes, peakBytes, limitHits } = found;
  if (killedByWorker || limitBytes === null || peakBytes === null || limitHits === 0) return found;
  return peakBytes >= limitBytes * AT_THE_LIMIT ? { ...found, oomKills: 1 } : found;
}
