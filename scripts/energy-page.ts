import { readFileSync } from 'node:fs';
import { ENERGY_SOURCES } from '../src/config/energy-source-names.js';
import { workerConfigSchema } from '../src/config/schema.js';
import { energyTable } from '../src/results/energy-row.js';
import { makeEnergySource } from '../src/telemetry/energy/open-source.js';
import { replaced } from './marked-tables.js';

/** docs/energy.md: words by people, and between the markers what sources say of themselves and the columns of the monitor's table. */
export function energyPage(): string {
  const page = readFileSync(new URL('../docs/energy.md', import.meta.url), 'utf8');
  const config = workerConfigSchema.parse({});
  const sources = ENERGY_SOURCES.map((name) => {
    const { covers, periodMs, accuracy, cost } = makeEnergySource(name, config).facts;
    return `| \`${name}\` | ${covers} | ${periodMs} ms | ${accuracy} | ${cost} |\n`;
  });
  const columns = energyTable.columns.map(({ name, kind, unit, meaning }) => {
    return `| \`${name}\` | ${kind === 'text' ? 'text' : 'integer'} | ${kind === 'text' ? '' : unit} | ${meaning} |\n`;
  });
  return replaced(
    replaced(
      page,
      'docs/energy.md',
      'sources',
      `| source | what it measures | renewed every | accuracy | a reading costs |\n|---|---|---|---|---|\n${sources.join('')}`,
    ),
    'docs/energy.md',
    'columns',
    `| column | type | unit | meaning |\n|---|---|---|---|\n${columns.join('')}`,
  );
}
