import type { Analysis } from '../analysis.js';
import type { Series } from '../series.js';
import { lineNames } from './axes.js';
import type { Specification } from './render.js';
import { COLOURS, colourScale, type Theme, themed, WIDTH } from './theme.js';
import { INDEPENDENT, timeAxis } from './timeline.js';

const HEIGHT = 110;
/** Beyond, a picture is a wall: the others are to be asked for by name. */
const MOST_PANELS = 12;

/**
 * Series that were measured beside a run over its results: in each panel one series, a line for each worker, with the run's p99 latency behind it in grey on an axis of its own.
 * `names`: which, all unless given. Null = there is none, or it is not known when the run's invocations happened.
 */
export function overlay(
  { timeline, series }: Analysis,
  theme: Theme,
  names: readonly string[] = [],
): Specification | null {
  if (timeline === null) return null;
  const chosen = series.filter((one) => one.points.length > 0 && (names.length === 0 || names.includes(one.series)));
  const groups = new Map<string, Series[]>();
  for (const one of chosen) groups.set(one.series, [...(groups.get(one.series) ?? []), one]);
  if (groups.size === 0) return null;
  const latency = timeline.map(({ timeUs, p99 }) => ({ s: timeUs / 1e6, ms: p99 === null ? null : p99 / 1000 }));
  const shown = [...groups].slice(0, MOST_PANELS);
  const panels = shown.map(([name, workers], i) => {
    const x = timeAxis(i === shown.length - 1);
    const labels = workers.map(({ worker }) => worker || name);
    const values = workers.flatMap(({ worker, points }) =>
      points.map(({ timeUs, value }) => ({ s: timeUs / 1e6, value, worker: worker || name })),
    );
    return {
      width: WIDTH,
      height: HEIGHT,
      title: name,
      layer: [
        {
          data: { values: latency },
          mark: { type: 'area', color: '#888888', opacity: 0.3, line: false, clip: true },
          encoding: {
            x,
            y: {
              field: 'ms',
              type: 'quantitative',
              title: 'p99 latency, ms',
              axis: { orient: 'right', grid: false, tickCount: 4 },
            },
          },
        },
        {
          data: { values },
          mark: { type: 'line', strokeWidth: 1.5, clip: true },
          encoding: {
            x,
            y: {
              field: 'value',
              type: 'quantitative',
              title: null,
              axis: { orient: 'left', tickCount: 4, format: '~s' },
            },
            ...(labels.length > 1
              ? lineNames('worker', labels, colourScale(labels))
              : { color: { value: COLOURS[0] } }),
          },
        },
      ],
      resolve: { scale: { y: 'independent' } },
    };
  });
  return themed(theme, {
    vconcat: panels,
    spacing: 12,
    resolve: INDEPENDENT,
  });
}
