import type { Specification } from './render.js';

/**
 * `paper`: dark on white, for files of their own. `inherit`: lines and words in the colour of the page around them and no background, so that one picture serves light and
 * dark pages.
 */
export type Theme = 'paper' | 'inherit';

/** Okabe and Ito's colours, told apart by people who see colours differently, less the yellow and black that vanish on white or black pages. */
export const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', '#e69f00'];

/** The same things have the same colours in all pictures. */
export const STATE_COLOURS: Readonly<Record<string, string>> = {
  all: '#7a7a7a',
  warm: '#0072b2',
  prewarm: '#009e73',
  cold: '#d55e00',
  failed: '#cc79a7',
};

export const WIDTH = 640;

function inkOf(theme: Theme): string {
  return theme === 'paper' ? '#222222' : 'currentColor';
}

/** A whole specification around the parts of a picture. */
export function themed(theme: Theme, parts: Specification): Specification {
  const ink = inkOf(theme);
  const lines = {
    gridColor: ink,
    gridOpacity: 0.12,
    domainColor: ink,
    domainOpacity: 0.5,
    tickColor: ink,
    tickOpacity: 0.5,
  };
  const words = { labelColor: ink, titleColor: ink, titleFontWeight: 'normal', labelFontSize: 11, titleFontSize: 11 };
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: theme === 'paper' ? 'white' : 'transparent',
    padding: 12,
    ...parts,
    config: {
      font: 'Helvetica, Arial, DejaVu Sans, sans-serif',
      view: { stroke: null },
      axis: { ...lines, ...words },
      legend: { ...words, orient: 'top', title: null, symbolStrokeWidth: 2, labelLimit: 300 },
      title: { color: ink, fontWeight: 'normal', fontSize: 13, anchor: 'start' },
      text: { fill: ink },
    },
  };
}

/** A scale of colours for names: those with a colour of their own get it, the others get the rest in turn. */
export function colourScale(names: readonly string[]): Specification {
  const own = names.map((name) => STATE_COLOURS[name]);
  const free = COLOURS.filter((colour) => !own.includes(colour));
  let next = 0;
  const range = own.map((colour) => colour ?? (free[next++ % free.length] as string));
  return { domain: names, range };
}
