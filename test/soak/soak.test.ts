import { expect, it } from 'vitest';
import { soakContainers } from '../../bench/soak/containers.js';
import { SoakWorker } from '../../bench/soak/soak-worker.js';
import { type Row, table } from '../../bench/soak/verdict.js';
import { soakWarm } from '../../bench/soak/warm.js';
import { describeWith } from '../support/requirement.js';

/** The shortened form of `npm run soak`. One life-cycle thread: a second one would idle for half a minute before it goes. */
const CONFIG = { lifecycleThreads: 1 };
const WINDOW_MS = 1000;

/** Times are for `npm run soak`: what else the machine does moves them. */
function kept(rows: readonly Row[]): Row[] {
  return rows.filter(({ name }) => !name.startsWith('CPU') && !name.startsWith('shortest'));
}

describeWith({ root: true, cgroups: true }, 'a worker that has worked for long', () => {
  it('is as it was before, after containers of which each kind of failure has ended some', async () => {
    await using worker = await SoakWorker.start(CONFIG);
    const options = { containers: 160, warmUp: 64, batch: 8, settleMs: 20_000, windowMs: WINDOW_MS, log: () => {} };
    const { rows, made, answers } = await soakContainers(worker, options);
    expect(made).toBeGreaterThanOrEqual(160);
    for (const kind of ['ok', 'crashed', 'out_of_memory', 'user_error', 'timeout', 'cancelled']) {
      expect(answers[kind], kind).toBeGreaterThan(0);
    }
    expect(rows.length).toBeGreaterThan(10);
    expect(
      kept(rows).every((row) => row.ok),
      table(rows).join('\n'),
    ).toBe(true);
  }, 150_000);

  it('is as it was before, after invocations in the same containers', async () => {
    await using worker = await SoakWorker.start(CONFIG);
    const options = { invocations: 40_000, clients: 4, settleMs: 20_000, windowMs: WINDOW_MS, log: () => {} };
    const { rows, made } = await soakWarm(worker, options);
    expect(made).toBeGreaterThanOrEqual(40_000);
    expect(
      kept(rows).every((row) => row.ok),
      table(rows).join('\n'),
    ).toBe(true);
  }, 120_000);
});
