import { CommandHost } from '../command-host.js';
import { addLoadAnalyzeCommand } from './analyze.js';
import { addLoadBenchmarkCommand } from './benchmark.js';
import { addLoadCompareCommand } from './compare.js';
import { addLoadFetchCommand } from './fetch.js';
import { addLoadGenerateCommand } from './generate.js';
import { addLoadPlotCommand } from './plot.js';
import { addLoadReportCommand } from './report.js';
import { addLoadRunCommand } from './run.js';
import { addLoadScalingCommand } from './scaling.js';
import { addLoadSummaryCommand } from './summary.js';
import { addLoadTraceCommand } from './trace.js';

/** `iluvatar load`: drives workers and controllers, and makes and reads what that gives. One line a subcommand. */
export function addLoadCommand(host: CommandHost): void {
  const load = host.add('load', 'put load on a worker or a controller, and see what came of it', [
    'load trace --trace trace.csv --functions functions.csv --target unix:/run/iluvatar/worker.sock',
    'load run hello --rate 100 --duration 30s',
  ]);
  const inner = new CommandHost(load);
  addLoadTraceCommand(inner);
  addLoadRunCommand(inner);
  addLoadBenchmarkCommand(inner);
  addLoadScalingCommand(inner);
  addLoadGenerateCommand(inner);
  addLoadAnalyzeCommand(inner);
  addLoadSummaryCommand(inner);
  addLoadPlotCommand(inner);
  addLoadReportCommand(inner);
  addLoadCompareCommand(inner);
  addLoadFetchCommand(inner);
}
