import { readFileSync } from 'node:fs';
import { loadTable } from '../src/results/load-row.js';
import { MEASURES } from '../src/results/measures.js';

/** docs/results.md: words by people, and between the markers tables of what the code writes. */
export function resultsPage(): string {
  const page = readFileSync(new URL('../docs/results.md', import.meta.url), 'utf8');
  const columns = loadTable.columns.map(({ name, kind, unit, meaning }) => {
    return `| \`${name}\` | ${kind === 'text' ? 'text' : 'integer'} | ${kind === 'text' ? '' : unit} | ${meaning} |\n`;
  });
  const measures = Object.entries(MEASURES).map(([name, meaning]) => `| \`${name}\` | ${meaning} |\n`);
  return replaced(
    replaced(page, 'columns', `| column | type | unit | meaning |\n|---|---|---|---|\n${columns.join('')}`),
    'measures',
    `| measure | from … to … |\n|---|---|\n${measures.join('')}`,
  );
}

function replaced(page: string, name: string, table: string): string {
  const [begin, end] = [`<!-- begin ${name} -->\n`, `<!-- end ${name} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/results.md has no markers for "${name}"`);
  return `${page.slice(0, from + begin.length)}\n${table}\n${page.slice(to)}`;
}
