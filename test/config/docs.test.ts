import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cliPage } from '../../scripts/cli-page.js';
import { configPage } from '../../scripts/config-page.js';
import { energyPage } from '../../scripts/energy-page.js';
import { policiesPage } from '../../scripts/policies-page.js';
import { resultsPage } from '../../scripts/results-page.js';
import { configFields } from '../../src/config/fields.js';

describe('generated pages', () => {
  it.each([
    ['config.md', configPage],
    ['cli.md', cliPage],
    ['energy.md', energyPage],
    ['policies.md', policiesPage],
    ['results.md', resultsPage],
  ])('docs/%s is what generating it again writes', (name, page) => {
    expect(readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')).toBe(page());
  });

  it('names every option with its environment name', () => {
    const text = configPage();
    for (const { key, environment } of configFields()) {
      expect(text).toContain(`| \`${key}\` |`);
      expect(text).toContain(`| \`${environment}\` |`);
    }
  });
});
