import type { Analysis } from '../analysis.js';
import type { Series } from '../series.js';
import type { Specification } from './render.js';
import { colourScale, type Theme, themed, WIDTH } from './theme.js';

const HEIGHT = 130;

/** A run over its time: invocations and failures per second, latency, and below them memory and queue where these were measured. Null = it is not known when anything happened. */
export function timeline({ timeline: points, series }: Analysis, theme: Theme): Specification | null {
  if (points === null || points.length === 0) return null;
  const values = points.map(({ timeUs, ...rest }) => ({ ...rest, s: timeUs / 1e6 }));
  const rates = ['offered', 'cold', 'failed'].filter((key) => values.some((value) => (value[key as 'cold'] ?? 0) > 0));
  const panels: (Specification | null)[] = [
    linePanel(
      'invocations per second',
      values.flatMap((value) => rates.map((name) => ({ s: value.s, name, y: value[name as 'offered'] }))),
    ),
    linePanel(
      'latency, ms (logarithmic)',
      values.flatMap(({ s, p50, p99 }) => [
        { s, name: 'p50', y: p50 === null ? null : Math.max(1, p50) / 1000 },
        { s, name: 'p99', y: p99 === null ? null : Math.max(1, p99) / 1000 },
      ]),
      'log',
    ),
    linePanel('memory, MiB', seriesValues(series.filter(isMemory), toMib)),
    linePanel('queued', seriesValues(series.filter(isQueue))),
  ];
  return themed(theme, {
    vconcat: panels.filter((panel) => panel !== null),
    resolve: { scale: { x: 'shared', color: 'independent' }, legend: { color: 'independent' } },
  });
}

export function isMemory({ series }: Series): boolean {
  return /(^|_)(memory|mb)(_|$)/.test(series) && !/(limit|budget|total)/.test(series);
}

export function isQueue({ series }: Series): boolean {
  return /(^|_)queue(d|_|$)/.test(series) && !/(second|_us|latency)/.test(series);
}

interface Value {
  readonly s: number;
  readonly name: string;
  readonly y: number | null;
}

/** Of one worker its name is left out: every line has the same. */
function seriesValues(series: readonly Series[], scale = (_: Series, value: number): number => value): Value[] {
  const workers = new Set(series.map(({ worker }) => worker));
  return series.flatMap((one) => {
    const name = workers.size > 1 ? `${one.series} · ${one.worker}` : one.series;
    return one.points.map(({ timeUs, value }) => ({ s: timeUs / 1e6, name, y: scale(one, value) }));
  });
}

function toMib({ series }: Series, value: number): number {
  return series.endsWith('_bytes') ? value / 2 ** 20 : value;
}

/** Null = there is nothing to draw. */
export function linePanel(
  title: string,
  values: readonly Value[],
  scale: 'linear' | 'log' = 'linear',
): Specification | null {
  if (!values.some(({ y }) => y !== null)) return null;
  const names = [...new Set(values.map(({ name }) => name))];
  return {
    width: WIDTH,
    height: HEIGHT,
    data: { values },
    mark: { type: 'line', strokeWidth: 1.5, clip: true },
    encoding: {
      x: { field: 's', type: 'quantitative', title: 'seconds since the beginning', scale: { nice: false } },
      y: {
        field: 'y',
        type: 'quantitative',
        title,
        scale: scale === 'log' ? { type: 'log', nice: false } : { zero: true },
        ...(scale === 'log' ? { axis: { format: '~g', tickCount: 5 } } : {}),
      },
      color: { field: 'name', type: 'nominal', scale: colourScale(names) },
      strokeDash: { field: 'name', type: 'nominal', sort: names, legend: null },
    },
  };
}
