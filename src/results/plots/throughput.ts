import type { Analysis } from '../analysis.js';
import type { Specification } from './render.js';
import { colourScale, type Theme, themed } from './theme.js';

const WIDTH = 300;
const HEIGHT = 240;

/** Throughput and latency against the number of clients, a line for each run. Null = no run has steps. */
export function throughput(analyses: readonly Analysis[], theme: Theme): Specification | null {
  const values = analyses.flatMap(({ results, summary }) =>
    summary.steps.map(({ clients, throughput: rate, latencyUs }) => ({
      run: results.name,
      clients,
      rate,
      p50: latencyUs.p50 / 1000,
      p99: latencyUs.p99 / 1000,
    })),
  );
  if (values.length === 0) return null;
  const runs = [...new Set(values.map(({ run }) => run))];
  const counts = [...new Set(values.map(({ clients }) => clients))].sort((a, b) => a - b);
  const x = {
    field: 'clients',
    type: 'quantitative',
    title: 'clients',
    scale: { type: 'log', base: 2, nice: false },
    axis: { values: counts.length > 12 ? counts.filter((n) => Number.isInteger(Math.log2(n))) : counts, format: '~d' },
  };
  const color = { field: 'run', type: 'nominal', scale: colourScale(runs) };
  const mark = { type: 'line', point: { size: 35 }, strokeWidth: 2 };
  const latency = values.flatMap(({ run, clients, p50, p99 }) => [
    { run, clients, quantile: 'p50', ms: p50 },
    { run, clients, quantile: 'p99', ms: p99 },
  ]);
  return themed(theme, {
    hconcat: [
      {
        width: WIDTH,
        height: HEIGHT,
        data: { values },
        mark,
        encoding: {
          x,
          y: { field: 'rate', type: 'quantitative', title: 'successful per second', scale: { zero: true } },
          color,
        },
      },
      {
        width: WIDTH,
        height: HEIGHT,
        data: { values: latency.filter(({ ms }) => ms > 0) },
        mark,
        encoding: {
          x,
          y: {
            field: 'ms',
            type: 'quantitative',
            title: 'latency, ms (logarithmic)',
            scale: { type: 'log', nice: false },
            axis: { format: '~g', tickCount: 5 },
          },
          color,
          strokeDash: { field: 'quantile', type: 'nominal', sort: ['p50', 'p99'] },
        },
      },
    ],
  });
}
