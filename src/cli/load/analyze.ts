import { action, type CommandHost } from '../command-host.js';
import { addTraceOptions, type TraceFlags, traceOptions } from '../sim/trace-options.js';
import { progressLine } from './interruption.js';
import { traceSummaryText } from './trace-summary-text.js';

/** `iluvatar load analyze`: what a trace is like, before it is run. */
export function addLoadAnalyzeCommand(host: CommandHost): void {
  addTraceOptions(
    host.add('analyze', 'say what a trace is like: rates, burstiness, popularity, and the load to expect of it', [
      'load analyze --trace trace.csv --functions trace-functions.csv',
      'load analyze --trace azurefunctions-dataset2019/ --json',
    ]),
  ).action(
    action(async (context, options: TraceFlags) => {
      const { config } = await context.load();
      const { openTrace } = await import('../../traces/open-trace.js');
      const { analyzeTrace } = await import('../../load/generate/generate.js');
      const trace = await openTrace(traceOptions(options, config.seed));
      const progress = progressLine(context);
      const summary = await analyzeTrace({ functions: trace.functions, arrivals: trace }, (invocations) =>
        progress.show(() => `${invocations} invocations`),
      );
      progress.clear();
      context.print(summary, traceSummaryText);
    }),
  );
}
