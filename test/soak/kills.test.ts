import { expect, it } from 'vitest';
import { KILL_SOAK_CONFIG, soakKills } from '../../bench/soak/kills.js';
import { seededRandom } from '../../src/core/random.js';
import { WorkerProcess } from '../recovery/support/worker-process.js';
import { describeWith } from '../support/requirement.js';

/** The shortened form of `npm run soak -- --only kills`. */
const SEED = Number(process.env['ILUVATAR_TEST_SEED'] ?? Date.now() % 2 ** 31);

describeWith({ root: true, cgroups: true }, 'a worker that is killed again and again under load', () => {
  it('loses nothing that it has acknowledged, ends each invocation once, and leaves nothing', async () => {
    await using worker = new WorkerProcess(KILL_SOAK_CONFIG);
    const lines: string[] = [];
    const options = { kills: 15, killsPerRound: 5, longestLifeMs: 2000 };
    const result = await soakKills(worker, { ...options, random: seededRandom(SEED), log: (line) => lines.push(line) });
    expect(result.problems, `seed ${SEED}\n${lines.join('\n')}`).toEqual([]);
    expect(result.accepted, `seed ${SEED}`).toBeGreaterThan(0);
    expect(result.answered, `seed ${SEED}`).toBeGreaterThan(0);
  }, 600_000);
});
