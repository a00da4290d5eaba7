import { invocationTable } from '../../src/results/invocation-row.js';
import { simulate } from '../../src/sim/simulate.js';
import { openSink } from '../../src/tables/open-sink.js';
import { RepeatedTrace } from '../../src/traces/repeated-trace.js';
import { median } from './result.js';
import { paperLikeTrace } from './simulated-load.js';

/**
 * One simulation in a process of its own: `sim-pass.ts <invocations> [<file for rows>]` prints a line of JSON. In one process after another run, resident memory would
 * tell of that one's garbage.
 */

export interface SimPass {
  readonly perSecond: number;
  readonly invocations: number;
  /** Median resident memory in the last fifth of the trace less that in the second: the collector makes it rise and fall by tens of MiB all the time. */
  readonly growthMb: number;
}

const CONFIG = { cpu: { slots: 48 }, memory: { budgetMb: 4096 } };

const wanted = Number(process.argv[2]);
const file = process.argv[3];
const paper = paperLikeTrace();
let length = 0;
for await (const { count } of paper.arrivals()) length += count;

async function run(times: number, rowsTo: string | undefined): Promise<SimPass> {
  const samples: number[][] = [[], [], [], [], []];
  const progress = ({ invocations }: { invocations: number }): void => {
    const fifth = Math.min(4, Math.floor((5 * invocations) / (times * length)));
    samples[fifth]?.push(process.memoryUsage.rss() / 2 ** 20);
  };
  const trace = new RepeatedTrace(paper, times);
  const rows = rowsTo === undefined ? null : await openSink(rowsTo, invocationTable);
  const functions = { timeoutMs: 3_600_000 };
  const start = process.hrtime.bigint();
  const { invocations } = await simulate({ trace, config: CONFIG, functions, rows, progress }).summary();
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const growthMb = median(samples[4] ?? []) - median(samples[1] ?? []);
  return { perSecond: invocations / seconds, invocations, growthMb };
}

console.log(JSON.stringify(await run(Math.ceil(wanted / length), file)));
