import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { atLeast, atMost, type Bench, machine, median } from './lib/result.js';
import type { SimPass } from './lib/sim-pass.js';
import { heapFloorNs } from './lib/simulated-load.js';

/**
 * How fast a long trace runs through the engine on the virtual clock, fcfs and LRU: with a summary alone, and with a row for every invocation written to a file. Memory
 * must not grow with the length of the trace.
 */

const INVOCATIONS = 1_000_000;
const PASS = fileURLToPath(new URL('./lib/sim-pass.ts', import.meta.url));

function pass(...rows: string[]): SimPass {
  const child = spawnSync(process.execPath, [...process.execArgv, PASS, String(INVOCATIONS), ...rows], {
    encoding: 'utf8',
  });
  if (child.status !== 0) throw new Error(`a simulation ended with ${child.status}: ${child.stderr}`);
  return JSON.parse(child.stdout) as SimPass;
}

export const bench: Bench = {
  name: 'sim',
  title: 'A trace of a million invocations through the engine on a virtual clock, fcfs and LRU',
  run({ long, log }) {
    const folder = mkdtempSync(join(tmpdir(), 'iluvatar-bench-sim-'));
    const summaries: SimPass[] = [];
    const written: SimPass[] = [];
    const floors: number[] = [];
    try {
      for (let round = 0; round < (long ? 9 : 3); round++) {
        const summary = pass();
        const rows = pass(join(folder, 'rows.csv'));
        const growth = `${summary.growthMb.toFixed(1)} and ${rows.growthMb.toFixed(1)} MiB more`;
        log(`round ${round}: ${Math.round(summary.perSecond)}/s, with rows ${Math.round(rows.perSecond)}/s, ${growth}`);
        summaries.push(summary);
        written.push(rows);
        floors.push(1e9 / heapFloorNs(INVOCATIONS, 48));
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    const perSecond = median(summaries.map((one) => one.perSecond));
    const perSecondWithRows = median(written.map((one) => one.perSecond));
    const floorPerSecond = median(floors);
    const growthMb = median(summaries.map((one) => one.growthMb));
    const growthWithRowsMb = median(written.map((one) => one.growthMb));
    return Promise.resolve({
      name: 'sim',
      machine: machine(),
      figures: {
        perSecond,
        perSecondWithRows,
        growthMb,
        growthWithRowsMb,
        invocations: summaries[0]?.invocations ?? 0,
      },
      floor: { perSecond: floorPerSecond },
      ratios: { perSecond: floorPerSecond / perSecond, perSecondWithRows: floorPerSecond / perSecondWithRows },
      targets: [
        atLeast('invocations a second, summary only', perSecond, 500_000),
        atLeast('invocations a second, every row written', perSecondWithRows, 250_000),
        atMost('memory grown after a fifth of the trace, MiB', growthMb, 20),
        atMost('memory grown, every row written, MiB', growthWithRowsMb, 20),
      ],
      notes: ['floor: one event taken out of a heap of 48 and one put into it an invocation, and nothing decided'],
    });
  },
};
