import type { Analysis } from '../analysis.js';
import { Histogram } from '../histogram.js';
import { lineNames, logarithmic } from './axes.js';
import type { Specification } from './render.js';
import { colourScale, type Theme, themed, WIDTH } from './theme.js';

/** A curve of more steps than this has steps that nobody sees. */
const MOST_STEPS = 500;

/** The share of invocations that took at most so long: of one run for each state of container that was found, of several runs one curve for each. Null = none was answered. */
export function latencyCdf(analyses: readonly Analysis[], theme: Theme): Specification | null {
  const curves = curvesOf(analyses);
  if (curves.length === 0) return null;
  const points = curves.flatMap(({ name, histogram }) => pointsOf(name, histogram));
  const names = curves.map(({ name }) => name);
  return themed(theme, {
    width: WIDTH,
    height: 300,
    data: { values: points },
    mark: { type: 'line', interpolate: 'step-after', strokeWidth: 2, clip: true },
    encoding: {
      x: {
        field: 'ms',
        type: 'quantitative',
        title: 'latency from the intended start, ms (logarithmic)',
        ...logarithmic(points.map(({ ms }) => ms)),
      },
      y: {
        field: 'share',
        type: 'quantitative',
        title: 'share of invocations',
        scale: { domain: [0, 1] },
        axis: { format: '.0%' },
      },
      ...lineNames('name', names, colourScale(names)),
    },
  });
}

interface Curve {
  readonly name: string;
  readonly histogram: Histogram;
}

function curvesOf(analyses: readonly Analysis[]): Curve[] {
  const all = analyses.map(({ results, latency }) => ({ name: results.name, histogram: together(latency.values()) }));
  const [only] = analyses;
  if (analyses.length === 1 && only !== undefined) {
    const states = ['warm', 'prewarm', 'cold'].flatMap((name) => {
      const histogram = only.latency.get(name);
      return histogram === undefined ? [] : [{ name, histogram }];
    });
    const whole = (all[0] as Curve).histogram;
    // With one state alone the two curves were one on top of the other.
    return whole.count === 0 ? [] : states.length === 1 ? states : [{ name: 'all', histogram: whole }, ...states];
  }
  return all.filter(({ histogram }) => histogram.count > 0);
}

function together(histograms: Iterable<Histogram>): Histogram {
  const all = new Histogram();
  for (const histogram of histograms) all.merge(histogram);
  return all;
}

function pointsOf(name: string, histogram: Histogram): { name: string; ms: number; share: number }[] {
  const steps = histogram.steps();
  const every = Math.ceil(steps.length / MOST_STEPS);
  const kept = steps.filter((_, i) => i % every === 0 || i === steps.length - 1);
  // A logarithmic axis has no 0: what took less than a microsecond is drawn as one.
  const ms = (value: number): number => Math.max(1, value) / 1000;
  return [
    { name, ms: ms(kept[0]?.value ?? 0), share: 0 },
    ...kept.map(({ value, upTo }) => ({ name, ms: ms(value), share: upTo / histogram.count })),
  ];
}
