import { html } from 'hono/html';
import type { Analysis, TimelinePoint } from '../../../results/analysis.js';
import { microseconds } from '../../output.js';
import { rate } from '../summary-text.js';
import { type Html, htmlTable } from './html-table.js';

/** What the picture of a run over its time shows, for those who do not see it; closed until it is asked for. */
export function timelineTable({ timeline }: Analysis): Html | '' {
  if (timeline === null || timeline.length === 0) return '';
  const time = (us: number | null): string => (us === null ? '–' : microseconds(us));
  return html`<details><summary>The run over time, as a table</summary>
${htmlTable<TimelinePoint>('Rates per second and latencies, by when invocations were meant to be sent', timeline, [
  { title: 'at, s', cell: ({ timeUs }) => (timeUs / 1e6).toFixed(2) },
  { title: 'offered', cell: ({ offered }) => rate(offered) },
  { title: 'cold', cell: ({ cold }) => rate(cold) },
  { title: 'failed', cell: ({ failed }) => rate(failed) },
  { title: 'p50', cell: ({ p50 }) => time(p50) },
  { title: 'p99', cell: ({ p99 }) => time(p99) },
])}</details>
`;
}
