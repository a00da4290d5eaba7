import { readFileSync, writeFileSync } from 'node:fs';
import { cliPage } from './cli-page.js';
import { configPage } from './config-page.js';
import { energyPage } from './energy-page.js';
import { metricsPage } from './metrics-page.js';
import { policiesPage } from './policies-page.js';
import { resultsPage } from './results-page.js';

/**
 * Writes the generated pages of docs/. With `--check` it writes nothing and exits 1 when a page is not what would be written.
 */
const PAGES: Readonly<Record<string, () => string>> = {
  'docs/config.md': configPage,
  'docs/cli.md': cliPage,
  'docs/energy.md': energyPage,
  'docs/metrics.md': metricsPage,
  'docs/policies.md': policiesPage,
  'docs/results.md': resultsPage,
};

const check = process.argv.includes('--check');
for (const [path, page] of Object.entries(PAGES)) {
  const file = new URL(`../${path}`, import.meta.url);
  const text = page();
  if (!check) {
    writeFileSync(file, text);
  } else if (readFileSync(file, 'utf8') !== text) {
    process.stderr.write(`${path} is out of date: npm run gen\n`);
    process.exitCode = 1;
  }
}
