import type { Analysis } from '../analysis.js';
import type { Specification } from './render.js';
import { STATE_COLOURS, type Theme, themed, WIDTH } from './theme.js';

const FUNCTIONS = 20;
/** Longer names leave no room for the bars. */
const LABEL_PIXELS = 220;

/** How many cold starts each function had, those with the most first, and how large a share of its invocations that is. Null = there were none. */
export function coldStarts({ summary }: Analysis, theme: Theme): Specification | null {
  const values = summary.functions
    .map(({ fn, coldRatio, cold, invocations }) => ({ fn, cold, ratio: coldRatio ?? 0, invocations }))
    .filter(({ cold }) => cold > 0)
    .sort((a, b) => b.cold - a.cold || (a.fn < b.fn ? -1 : 1))
    .slice(0, FUNCTIONS);
  if (values.length === 0) return null;
  const y = {
    field: 'fn',
    type: 'nominal',
    sort: values.map(({ fn }) => fn),
    title: null,
    axis: { labelLimit: LABEL_PIXELS },
  };
  return themed(theme, {
    width: WIDTH,
    height: { step: 20 },
    data: {
      values: values.map((value) => ({
        ...value,
        text: `${(100 * value.ratio).toFixed(1)} % of ${value.invocations}`,
      })),
    },
    encoding: {
      y,
      x: { field: 'cold', type: 'quantitative', title: 'cold starts', axis: { tickMinStep: 1, format: '~d' } },
    },
    layer: [
      { mark: { type: 'bar', color: STATE_COLOURS['cold'], height: { band: 0.75 } } },
      { mark: { type: 'text', align: 'left', dx: 5, fontSize: 10 }, encoding: { text: { field: 'text' } } },
    ],
  });
}
