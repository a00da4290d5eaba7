import type { Analysis } from '../analysis.js';
import { lineNames, logarithmic } from './axes.js';
import type { Specification } from './render.js';
import { colourScale, type Theme, themed } from './theme.js';

const WIDTH = 200;
const HEIGHT = 220;

/** Throughput and latency against the number of clients, a line for each run. Null = no run has steps. */
export function throughput(analyses: readonly Analysis[], theme: Theme): Specification | null {
  const values = analyses.flatMap(({ results, summary }) =>
    summary.steps.map(({ clients, throughput: rate, latencyUs: { p50, p99 } }) => ({
      run: results.name,
      clients,
      rate,
      p50: p50 > 0 ? p50 / 1000 : null,
      p99: p99 > 0 ? p99 / 1000 : null,
    })),
  );
  if (values.length === 0) return null;
  const runs = [...new Set(values.map(({ run }) => run))];
  const counts = [...new Set(values.map(({ clients }) => clients))].sort((a, b) => a - b);
  const shown = counts.length > 8 ? counts.filter((n) => Number.isInteger(Math.log2(n))) : counts;
  const x = {
    field: 'clients',
    type: 'quantitative',
    title: 'clients',
    scale: { type: 'log', base: 2, nice: false },
    axis: { values: shown, format: '~d' },
  };
  const latencies = (key: 'p50' | 'p99'): number[] => values.flatMap((value) => value[key] ?? []);
  const panels = [
    { field: 'rate', title: 'successful per second', scale: { zero: true } },
    ...(['p50', 'p99'] as const)
      .filter((key) => latencies(key).length > 0)
      .map((key) => ({ field: key, title: `${key} latency, ms (logarithmic)`, ...logarithmic(latencies(key)) })),
  ];
  return themed(theme, {
    data: { values },
    hconcat: panels.map((panel) => ({
      width: WIDTH,
      height: HEIGHT,
      mark: { type: 'line', point: { size: 35 }, strokeWidth: 2 },
      encoding: { x, y: { type: 'quantitative', ...panel }, ...lineNames('run', runs, colourScale(runs)) },
    })),
  });
}
