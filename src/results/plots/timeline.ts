import type { Analysis } from '../analysis.js';
import type { Series } from '../series.js';
import { lineNames, logarithmic } from './axes.js';
import type { Specification } from './render.js';
import { colourScale, type Theme, themed, WIDTH } from './theme.js';

const HEIGHT = 150;

/** A run over its time: invocations and failures per second, latency, and below them memory and queue where these were measured. Null = it is not known when anything happened. */
export function timeline({ timeline: points, series }: Analysis, theme: Theme): Specification | null {
  if (points === null || points.length === 0) return null;
  const values = points.map(({ timeUs, ...rest }) => ({ ...rest, s: timeUs / 1e6 }));
  const rates = ['offered', 'cold', 'failed'].filter((key) => values.some((value) => (value[key as 'cold'] ?? 0) > 0));
  const panels = [
    linePanel(
      'per second',
      values.flatMap((value) => rates.map((name) => ({ s: value.s, name, y: value[name as 'offered'] }))),
    ),
    linePanel(
      'latency, ms (log.)',
      values.flatMap(({ s, p50, p99 }) => [
        { s, name: 'p50', y: p50 === null ? null : Math.max(1, p50) / 1000 },
        { s, name: 'p99', y: p99 === null ? null : Math.max(1, p99) / 1000 },
      ]),
      true,
    ),
    linePanel('memory, MiB', seriesValues(series.filter(isMemory), toMib)),
    linePanel('queued', seriesValues(series.filter(isQueue))),
  ].filter((panel) => panel !== null);
  return themed(theme, {
    vconcat: panels.map((panel, i) => panel(i === panels.length - 1)),
    spacing: 12,
    resolve: INDEPENDENT,
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

/** With one worker its name is left out: every line has the same. */
function seriesValues(series: readonly Series[], scale = (_: Series, value: number): number => value): Value[] {
  const workers = new Set(series.map(({ worker }) => worker));
  return series.flatMap((one) => {
    const short = one.series
      .replace(/^iluvatar_/, '')
      .replace(/_(bytes|mb)$/, '')
      .replaceAll('_', ' ');
    const name = workers.size > 1 ? `${short} · ${one.worker}` : short;
    return one.points.map(({ timeUs, value }) => ({ s: timeUs / 1e6, name, y: scale(one, value) }));
  });
}

function toMib({ series }: Series, value: number): number {
  return series.endsWith('_bytes') ? value / 2 ** 20 : value;
}

/** Everything but time is a panel's own. */
export const INDEPENDENT: Specification = {
  scale: { x: 'shared', color: 'independent', strokeDash: 'independent' },
  legend: { color: 'independent', strokeDash: 'independent' },
};

export function timeAxis(titled: boolean): Specification {
  return {
    field: 's',
    type: 'quantitative',
    title: titled ? 'seconds since the beginning' : null,
    scale: { nice: false },
  };
}

/** Null = there is nothing to draw. The lowest panel names the axis of time. */
function linePanel(title: string, values: readonly Value[], log = false): ((lowest: boolean) => Specification) | null {
  const ys = values.flatMap(({ y }) => (y === null ? [] : [y]));
  if (ys.length === 0) return null;
  const names = [...new Set(values.map(({ name }) => name))];
  return (lowest) => ({
    width: WIDTH,
    height: HEIGHT,
    data: { values },
    mark: { type: 'line', strokeWidth: 1.5, clip: true },
    encoding: {
      x: timeAxis(lowest),
      y: { field: 'y', type: 'quantitative', title, ...(log ? logarithmic(ys) : { scale: { zero: true } }) },
      ...lineNames('name', names, colourScale(names)),
    },
  });
}
