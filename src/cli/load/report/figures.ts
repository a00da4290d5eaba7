import { html, raw } from 'hono/html';
import type { Analysis } from '../../../results/analysis.js';
import { coldStarts } from '../../../results/plots/cold-starts.js';
import { latencyCdf } from '../../../results/plots/latency-cdf.js';
import { overlay } from '../../../results/plots/overlay.js';
import type { Specification, SvgRenderer } from '../../../results/plots/render.js';
import type { Theme } from '../../../results/plots/theme.js';
import { throughput } from '../../../results/plots/throughput.js';
import { timeline } from '../../../results/plots/timeline.js';
import type { Html } from './html-table.js';

interface Plot {
  readonly title: string;
  /** Null = there is nothing to draw. `series`: of those beside a run. */
  readonly of: (analyses: readonly Analysis[], theme: Theme, series?: readonly string[]) => Specification | null;
}

/** The pictures that there are, by the name that their files have. */
export const PLOTS: Readonly<Record<string, Plot>> = {
  'latency-cdf': { title: 'Share of invocations that took at most so long, from the intended start', of: latencyCdf },
  timeline: {
    title: 'The run over time: rates, latency, and memory and queue where they were measured',
    of: ofFirst(timeline),
  },
  'cold-starts': { title: 'Cold starts by function, and their share of its invocations', of: ofFirst(coldStarts) },
  throughput: { title: 'Throughput and latency against the number of clients', of: throughput },
  overlay: { title: 'What was measured beside the run; in grey its p99 latency', of: ofFirst(overlay) },
};

function ofFirst(
  plot: (analysis: Analysis, theme: Theme, series?: readonly string[]) => Specification | null,
): Plot['of'] {
  return ([analysis], theme, series) => (analysis === undefined ? null : plot(analysis, theme, series));
}

export function specificationOf(
  name: string,
  analyses: readonly Analysis[],
  theme: Theme,
  series?: readonly string[],
): Specification | null {
  return (PLOTS[name] as Plot).of(analyses, theme, series);
}

/** A picture inside the page; null = there is nothing to draw. */
export async function figure(name: string, analyses: readonly Analysis[], render: SvgRenderer): Promise<Html | null> {
  const specification = specificationOf(name, analyses, 'inherit');
  if (specification === null) return null;
  const { title } = PLOTS[name] as Plot;
  const svg = namedFor(await render(specification), title);
  return html`<figure>${raw(svg)}<figcaption>${title}</figcaption></figure>
`;
}

/** To who does not see it a picture is one thing with one name, and not hundreds of paths and numbers. */
function namedFor(svg: string, title: string): string {
  return svg
    .replace(/^<\?xml[^>]*\?>/, '')
    .replace(/<svg /, `<svg role="img" aria-label="${title.replaceAll('"', '&quot;')}" `)
    .replace(/ xmlns:xlink="[^"]*"/, '');
}
