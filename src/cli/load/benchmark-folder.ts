import { join } from 'node:path';
import type { BenchmarkTimings } from '../../load/benchmark/benchmark-timings.js';
import type { LoadRow } from '../../results/load-row.js';
import type { RunSummary } from '../../results/summary.js';
import type { RowSink } from '../../tables/sink.js';

/** What a benchmark keeps: the folder of an experiment, and the files of the original in it. */

/** Of the folder of a benchmark, besides what every run keeps; named as the original names them. */
export const BENCHMARK_FILES = {
  timings: 'worker_function_benchmarks.json',
  list: 'benchmark-full.json',
  csv: 'benchmark-output.csv',
} as const;

export interface BenchmarkFolder {
  readonly rows: RowSink<LoadRow>;
  begin(originUs: number): void;
  end(error: Error | null, interrupted: boolean, timings: BenchmarkTimings, summary: RunSummary): Promise<void>;
}

/** Null = `folder` is none. Throws IluvatarError when it cannot be made. */
export async function benchmarkFolder(
  folder: string | undefined,
  run: unknown,
  address: string,
  seed: number,
): Promise<BenchmarkFolder | null> {
  if (folder === undefined) return null;
  const [{ Experiment }, { OriginalOutput }, { SeveralSinks }, { writeJson }] = await Promise.all([
    import('../../results/experiment.js'),
    import('../../results/original-output.js'),
    import('../../tables/several-sinks.js'),
    import('../../results/whole-file.js'),
  ]);
  const experiment = Experiment.create(folder, { kind: 'benchmark', seed, targets: [address], run });
  const beginUnixUs = (): number => experiment.facts.begin.unixUs;
  const original = await OriginalOutput.open(
    experiment.path(BENCHMARK_FILES.csv),
    experiment.path(BENCHMARK_FILES.list),
    beginUnixUs,
  );
  const rows = new SeveralSinks([await experiment.openRows(), original]);
  return {
    rows,
    begin: (originUs) => experiment.begin(originUs),
    end: async (error, interrupted, timings, summary) => {
      let failure = error;
      try {
        await rows.end();
        writeJson(join(experiment.folder, BENCHMARK_FILES.timings), timings.file());
      } catch (cause) {
        failure ??= cause as Error;
      }
      const state = failure !== null ? 'failed' : interrupted ? 'interrupted' : 'finished';
      experiment.end({ state, ...(failure === null ? {} : { error: failure.message }), summary });
      if (error === null && failure !== null) throw failure;
    },
  };
}
