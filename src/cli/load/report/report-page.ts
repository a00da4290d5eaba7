import { html, raw } from 'hono/html';
import type { Analysis } from '../../../results/analysis.js';
import type { RunComparison } from '../../../results/compare/compare.js';
import type { SvgRenderer } from '../../../results/plots/render.js';
import { comparisonSection } from './comparison-section.js';
import { figure } from './figures.js';
import type { Html } from './html-table.js';
import { STYLE } from './style.js';
import { factsSection, summarySection } from './summary-section.js';
import { timelineTable } from './timeline-table.js';

export interface ReportContent {
  readonly title: string;
  readonly analyses: readonly Analysis[];
  /** Each run but the first against the first; may be empty. */
  readonly comparisons: readonly RunComparison[];
  /** Null = no pictures. */
  readonly render: SvgRenderer | null;
  /** ISO 8601. */
  readonly madeAt: string;
}

/** One page that holds all it shows: opened from a disk without a network it is what it is elsewhere. No script. */
export async function reportPage(content: ReportContent): Promise<string> {
  const { title, analyses, comparisons, render, madeAt } = content;
  const several = analyses.length > 1;
  const together = several ? await figures(['latency-cdf', 'throughput'], analyses, render) : [];
  const runs: Html[] = [];
  for (const [i, analysis] of analyses.entries()) {
    const pictures = ['latency-cdf', 'timeline', 'cold-starts', 'throughput', 'overlay'];
    runs.push(html`<section id="run-${String(i)}" aria-labelledby="head-${String(i)}">
<h2 id="head-${String(i)}">${analysis.results.name}</h2>
${factsSection(analysis)}
${summarySection(analysis.summary)}
${await figures(several ? pictures.filter((name) => name !== 'throughput') : pictures, [analysis], render)}
${timelineTable(analysis)}
</section>
`);
  }
  const page = await html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${raw(STYLE)}</style>
</head>
<body>
<main>
<h1>${title}</h1>
${several ? contents(analyses, comparisons.length > 0) : ''}
${together.length > 0 ? html`<section id="together"><h2>All runs</h2>${together}</section>` : ''}
${
  comparisons.length === 0
    ? ''
    : html`<section id="comparison"><h2>Comparison</h2>${comparisons.map(comparisonSection)}</section>`
}
${runs}
</main>
<footer>Made by iluvatar load report, ${madeAt}.</footer>
</body>
</html>
`;
  return String(page);
}

async function figures(
  names: readonly string[],
  analyses: readonly Analysis[],
  render: SvgRenderer | null,
): Promise<Html[]> {
  if (render === null) return [];
  const found: Html[] = [];
  for (const name of names) {
    const one = await figure(name, analyses, render);
    if (one !== null) found.push(one);
  }
  return found;
}

function contents(analyses: readonly Analysis[], compared: boolean): Html {
  return html`<nav aria-label="Contents"><ul>
<li><a href="#together">All runs</a></li>
${compared ? html`<li><a href="#comparison">Comparison</a></li>` : ''}
${analyses.map(({ results }, i) => html`<li><a href="#run-${String(i)}">${results.name}</a></li>`)}
</ul></nav>
`;
}
