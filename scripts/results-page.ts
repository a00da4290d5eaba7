import { readFileSync } from 'node:fs';
import { loadTable } from '../src/results/load-row.js';
import { MEASURES } from '../src/results/measures.js';
import { replaced } from './marked-tables.js';

/** docs/results.md: words by people, and between the markers tables of what the code writes. */
export function resultsPage(): string {
  const page = readFileSync(new URL('../docs/results.md', import.meta.url), 'utf8');
  const columns = loadTable.columns.map(({ name, kind, unit, meaning }) => {
    return `| \`${name}\` | ${kind === 'text' ? 'text' : 'integer'} | ${kind === 'text' ? '' : unit} | ${meaning} |\n`;
  });
  const measures = Object.entries(MEASURES).map(([name, meaning]) => `| \`${name}\` | ${meaning} |\n`);
  return replaced(
    replaced(
      page,
      'docs/results.md',
      'columns',
      `| column | type | unit | meaning |\n|---|---|---|---|\n${columns.join('')}`,
    ),
    'docs/results.md',
    'measures',
    `| measure | from … to … |\n|---|---|\n${measures.join('')}`,
  );
}
