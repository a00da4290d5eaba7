import type { GeneratorFacts } from './generator.js';
import { Histogram } from './histogram.js';
import { isAnswered } from './measures.js';
import type { Results } from './readers/open-results.js';
import { readSeconds, readSeries, type Series } from './series.js';
import { type RunSummary, SummaryBuilder, type SummaryOptions } from './summary.js';
import { TimeBins } from './time-bins.js';

/** All that is shown of a run, from one pass over its rows in bounded memory. */
export interface Analysis {
  readonly results: Results;
  /** What the run itself has written, unless options ask for another. */
  readonly summary: RunSummary;
  /** Latencies by what was found (`cold`, `prewarm`, `warm`; empty = not said), µs. */
  readonly latency: ReadonlyMap<string, Histogram>;
  /** Null = it is not known when its invocations happened. */
  readonly timeline: readonly TimelinePoint[] | null;
  readonly series: readonly Series[];
}

export interface TimelinePoint {
  /** Middle of the stretch, since the beginning of the run. */
  readonly timeUs: number;
  /** Per second. */
  readonly offered: number;
  readonly cold: number;
  readonly failed: number;
  /** µs; null = none was answered. */
  readonly p50: number | null;
  readonly p99: number | null;
}

const TIMELINE_BINS = 240;

export interface AnalysisOptions extends SummaryOptions {
  /** Told now and then how many rows were read. */
  readonly progress?: (rows: number) => void;
}

const PROGRESS_EVERY = 50_000;

/** Throws IluvatarError `invalid` for files that cannot be read. */
export async function analyse(results: Results, { progress, ...options }: AnalysisOptions = {}): Promise<Analysis> {
  const builder = new SummaryBuilder({ ...options, timed: results.rows.timed });
  const latency = new Map<string, Histogram>();
  const bins = new TimeBins(TIMELINE_BINS);
  let rows = 0;
  for await (const row of results.rows.rows()) {
    builder.add(row);
    if (results.rows.timed) bins.add(row);
    if (isAnswered(row)) {
      let histogram = latency.get(row.state);
      if (histogram === undefined) {
        histogram = new Histogram();
        latency.set(row.state, histogram);
      }
      histogram.add(Math.max(0, row.endUs - row.arrivalUs));
    }
    if (++rows % PROGRESS_EVERY === 0) progress?.(rows);
  }
  return {
    results,
    summary:
      Object.keys(options).length === 0
        ? (results.summary ?? builder.summary())
        : builder.summary(generatorFactsOf(results)),
    latency,
    timeline: results.rows.timed ? timelineOf(bins) : null,
    series: [
      ...(results.secondsFile === null ? [] : await readSeconds(results.secondsFile)),
      ...(await readSeries(results.metricFiles)),
    ],
  };
}

/** What the run's driver knew of itself is in no row. */
function generatorFactsOf({ summary }: Results): GeneratorFacts {
  const { eventLoopUtilisation, heldBack, processes } = summary?.generator ?? {};
  return {
    ...(typeof eventLoopUtilisation === 'number' ? { eventLoopUtilisation } : {}),
    ...(typeof heldBack === 'number' ? { heldBack } : {}),
    ...(typeof processes === 'number' ? { processes } : {}),
  };
}

function timelineOf(bins: TimeBins): TimelinePoint[] {
  return bins.bins().map(({ beginUs, endUs, bin: { counts, latency } }) => {
    // An end of the run that is a fraction of a stretch would have rates that are chance.
    const perSecond = 1e6 / Math.max(endUs - beginUs, bins.widthUs / 2);
    return {
      timeUs: (beginUs + endUs) / 2,
      offered: counts.invocations * perSecond,
      cold: counts.cold * perSecond,
      failed: (counts.invocations - counts.ok) * perSecond,
      p50: latency.count === 0 ? null : latency.quantile(0.5),
      p99: latency.count === 0 ? null : latency.quantile(0.99),
    };
  });
}
