import { html } from 'hono/html';
import type { ComparisonLine, RunComparison } from '../../../results/compare/compare.js';
import { STATISTICS } from '../../../results/compare/statistics.js';
import { differenceText, effectText, intervalText, sideText, valueText, verdictText } from '../comparison-text.js';
import { type Html, htmlTable } from './html-table.js';

export function comparisonSection(comparison: RunComparison): Html {
  const { lines, notes, confidence, a, b, effect } = comparison;
  const marked = ({ verdict }: ComparisonLine): string => (verdict === 'better' || verdict === 'worse' ? verdict : '');
  return html`<p>A is ${sideText(a)}. B is ${sideText(b)}. ${effectText(effect)}</p>
${htmlTable(
  `B against A, with intervals of the differences that hold together with ${100 * confidence} % confidence (block bootstrap, ${comparison.resamples} resamples, seed ${comparison.seed})`,
  lines,
  [
    { title: 'of', cell: ({ statistic }) => STATISTICS[statistic].title },
    { title: 'A', cell: ({ statistic, a: value }) => valueText(statistic, value) },
    { title: 'B', cell: ({ statistic, b: value }) => valueText(statistic, value) },
    { title: 'difference', cell: differenceText },
    { title: 'interval', cell: intervalText },
    { title: 'verdict', words: true, cell: (line) => html`<span class="${marked(line)}">${verdictText(line)}</span>` },
  ],
)}
${notes.map((note) => html`<p class="note">${note}.</p>`)}`;
}
