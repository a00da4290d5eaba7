import { type ConfigField, configFields } from '../src/config/fields.js';

/** docs/config.md, from the schema alone. */
export function configPage(): string {
  const bySection = new Map<string, ConfigField[]>();
  for (const field of configFields()) {
    const section = field.path.slice(0, -1).join('.');
    bySection.set(section, [...(bySection.get(section) ?? []), field]);
  }
  const sections = [...bySection].map(
    ([section, fields]) => `## ${section === '' ? 'The worker' : `\`${section}\``}\n\n${sectionTable(fields)}`,
  );
  return `${HEAD}\n${sections.join('\n')}`;
}

const HEAD = `<!-- Generated from src/config/schema.ts by "npm run gen". Do not edit. -->
# Configuration

A worker is configured by, each before the next:

1. the **defaults** below;
2. a **file**, JSON or YAML: \`--config worker.yaml\`;
3. the **environment**: \`ILUVATAR__HTTP__PORT=9000\`. Sections are separated by two underscores; letter case and single underscores do not matter
   (\`ILUVATAR__KEEP_ALIVE__TTL_MS\` is \`keepAlive.ttlMs\`). Lists and maps are JSON; one entry of a map can be set by its name, which keeps its letter case:
   \`ILUVATAR__LOG__MODULES__pool=debug\`;
4. **flags**: \`--set http.port=9000\` for any option, and those of their own that \`iluvatar worker --help\` shows.

Maps are merged entry by entry, everything else is replaced. Unknown options are refused with the nearest name that exists, and values that are not allowed with the place
they came from. \`iluvatar config show\` prints what is in force, \`iluvatar config explain KEY\` says where a value comes from, and
\`iluvatar config schema\` prints the JSON Schema for editors.

Options marked **↻** change in a running worker when it reads its configuration again: on SIGHUP, \`iluvatar reload\`, or \`systemctl reload\`. The others need a restart; a reload names those
that differ. All or nothing: a configuration that is refused changes nothing, the reason is logged, and the worker goes on. Flags and environment are those that the worker was started with.

\`\`\`yaml
# worker.yaml
name: edge-1
http:
  address: 0.0.0.0
  port: 9000
memory:
  budgetMb: 4096
log:
  level: info
  modules: { pool: debug }
\`\`\`
`;

function sectionTable(fields: readonly ConfigField[]): string {
  const rows = fields.map(
    ({ key, allowed, default: value, environment, description, live }) =>
      `| \`${key}\` | ${live ? '↻ ' : ''}${cell(description)} | ${cell(allowed)} | \`${cell(JSON.stringify(value))}\` | \`${environment}\` |\n`,
  );
  return `| option | meaning | allowed | default | environment |\n|---|---|---|---|---|\n${rows.join('')}`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}
