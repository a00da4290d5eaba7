import { loadSvgRenderer, type Specification } from '../../results/plots/render.js';
import type { Comparison } from './compare.js';
import { axisOf, meansOverSeeds } from './table.js';
import { OFFLINE } from './variations.js';

/**
 * A comparison as a picture: cold-start ratio and mean slowdown over one key, a line for each combination of the others.
 */

const WIDTH = 380;
const HEIGHT = 280;
/** Where the greatest value is this many times the least, a linear axis shows only the greatest. */
const LOGARITHMIC_FROM = 8;

interface Point {
  readonly x: number | string;
  readonly line: string;
  readonly bound: boolean;
  readonly coldRatio: number;
  readonly slowdown: number;
}

/** Throws IluvatarError `unavailable` when the packages are not installed. Before a long comparison, call it to know. */
export async function loadPlotter(): Promise<(comparison: Comparison) => Promise<string>> {
  const render = await loadSvgRenderer();
  return (comparison) => render(specificationOf(comparison));
}

export function specificationOf(comparison: Comparison): Specification {
  const { keys } = comparison;
  const axis = axisOf(comparison);
  const points = meansOverSeeds(comparison).map(({ values, measures }): Point => {
    const others = values.filter((_, i) => i !== axis);
    const x = axis < 0 ? '' : (values[axis] as string);
    return {
      x: Number.isFinite(Number(x)) && x !== '' ? Number(x) : x,
      line: others.join(', '),
      bound: others.includes(OFFLINE),
      coldRatio: measures.coldRatio,
      slowdown: measures.meanSlowdown,
    };
  });
  const lines = [...new Set(points.map(({ line }) => line))];
  const numeric = points.every(({ x }) => typeof x === 'number');
  const xs = [...new Set(points.map(({ x }) => x))];
  const doubling = numeric && spans(xs as number[]);
  const xTitle = axis < 0 ? '' : (keys[axis] as string);
  const lineTitle = keys.filter((_, i) => i !== axis).join(', ');
  const panel = (field: 'coldRatio' | 'slowdown', title: string): Specification => {
    const values = points.map((point) => point[field]).filter((value) => value > 0);
    const logarithmic = spans(values);
    return {
      width: WIDTH,
      height: HEIGHT,
      mark: { type: 'line', point: { size: 45, filled: false, fill: 'white' }, strokeWidth: 2 },
      encoding: {
        x: {
          field: 'x',
          type: numeric ? 'quantitative' : 'nominal',
          title: xTitle,
          ...(numeric ? { scale: doubling ? { type: 'log', base: 2, nice: false } : { zero: false } } : {}),
          ...(numeric ? { axis: { values: xs, format: '~f' } } : {}),
        },
        y: {
          field,
          type: 'quantitative',
          title: logarithmic ? `${title} (logarithmic)` : title,
          scale: logarithmic ? { type: 'log' } : { zero: true },
        },
        color: { field: 'line', type: 'nominal', title: lineTitle, sort: lines, scale: { scheme: 'tableau10' } },
        shape: { field: 'line', type: 'nominal', title: lineTitle, sort: lines },
        strokeDash: {
          field: 'bound',
          type: 'nominal',
          legend: null,
          scale: {
            domain: [false, true],
            range: [
              [1, 0],
              [6, 4],
            ],
          },
        },
      },
    };
  };
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'white',
    padding: 12,
    data: { values: points },
    hconcat: [panel('coldRatio', 'cold-start ratio'), panel('slowdown', 'mean slowdown')],
    config: { font: 'sans-serif', view: { stroke: null }, axis: { gridColor: '#e5e5e5', domainColor: '#888888' } },
  };
}

function spans(values: readonly number[]): boolean {
  return values.length > 0 && Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) >= LOGARITHMIC_FROM;
}
