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

/** The pictures that there are, by the name that their files have. */
export const PLOTS: Readonly<
  Record<
    string,
    { readonly title: string; readonly of: (analyses: readonly Analysis[], theme: Theme) => Specification | null }
  >
> = {
  'latency-cdf': {
    title: 'Share of invocations that took at most so long, from the intended start',
    of: latencyCdf,
  },
  timeline: {
    title: 'The run over time: rates, latency, and memory and queue where they were measured',
    of: ([analysis], theme) => (analysis === undefined ? null : timeline(analysis, theme)),
  },
  'cold-starts': {
    title: 'Cold starts by function, and their share of its invocations',
    of: ([analysis], theme) => (analysis === undefined ? null : coldStarts(analysis, theme)),
  },
  throughput: { title: 'Throughput and latency against the number of clients', of: throughput },
  overlay: {
    title: 'What was measured beside the run; in grey its p99 latency',
    of: ([analysis], theme) => (analysis === undefined ? null : overlay(analysis, theme)),
  },
};

/** A picture inside the page; null = there is nothing to draw. */
export async function figure(name: string, analyses: readonly Analysis[], render: SvgRenderer): Promise<Html | null> {
  const { title, of } = PLOTS[name] as (typeof PLOTS)[string];
  const specification = of(analyses, 'inherit');
  if (specification === null) return null;
  const svg = namedFor(await render(specification), title);
  return html`<figure>${raw(svg)}<figcaption>${title}. The numbers are in the tables.</figcaption></figure>
`;
}

/** To who does not see it a picture is one thing with one name, and not hundreds of paths and numbers. */
function namedFor(svg: string, title: string): string {
  return svg
    .replace(/^<\?xml[^>]*\?>/, '')
    .replace(/<svg /, `<svg role="img" aria-label="${title.replaceAll('"', '&quot;')}" `)
    .replace(/ xmlns:xlink="[^"]*"/, '');
}
