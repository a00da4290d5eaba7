import { statSync } from 'node:fs';
import { reportPage } from '../../src/cli/load/report/report-page.js';
import { analyse } from '../../src/results/analysis.js';
import { compareRuns } from '../../src/results/compare/compare.js';
import { Experiment } from '../../src/results/experiment.js';
import { loadSvgRenderer } from '../../src/results/plots/render.js';
import { openResults } from '../../src/results/readers/open-results.js';
import { SummaryBuilder } from '../../src/results/summary.js';
import { madeRows } from './made-rows.js';

/**
 * `results-pass write|report|compare <rows> <folder>`: one of these, in a process of its own, built, so that resident memory is that of this and of nothing before; prints a line of JSON.
 */

const [step = '', count = '0', folder = ''] = process.argv.slice(2);
const start = process.hrtime.bigint();
let bytes = 0;
if (step === 'write') {
  const experiment = Experiment.create(folder, { kind: 'trace', seed: 1, targets: ['made'], run: {} });
  experiment.begin();
  const sink = await experiment.openRows();
  const summary = new SummaryBuilder();
  for (const row of madeRows(Number(count))) {
    sink.row(row);
    summary.add(row);
  }
  await sink.end();
  experiment.end({ state: 'finished', summary: summary.summary() });
  bytes = statSync(experiment.path('rows.parquet')).size;
} else if (step === 'report') {
  const results = { ...(await openResults(folder)), summary: null };
  const render = await loadSvgRenderer();
  const page = await reportPage({
    title: 'bench',
    analyses: [await analyse(results)],
    comparisons: [],
    render,
    madeAt: '',
  });
  bytes = Buffer.byteLength(page);
} else {
  const results = await openResults(folder);
  bytes = JSON.stringify(await compareRuns([results], [results])).length;
}
const seconds = Number(process.hrtime.bigint() - start) / 1e9;
console.log(JSON.stringify({ seconds, peakMb: process.resourceUsage().maxRSS / 1024, bytes }));
