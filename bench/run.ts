import { spawnSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { printResult, verdict } from './lib/report.js';
import type { Bench } from './lib/result.js';

/**
 * npm run bench -- <name> [--json FILE] [--check] [--long]
 *
 * One scenario per file in this folder; each exports `bench`.
 */

const USAGE = 'usage: npm run bench -- <name> [--json FILE] [--check] [--long]';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'string' },
    check: { type: 'boolean', default: false },
    long: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

const names = readdirSync(new URL('.', import.meta.url))
  .filter((file) => file.endsWith('.ts') && file !== 'run.ts')
  .map((file) => file.slice(0, -3));

const name = positionals[0];
if (values.help || name === undefined || !names.includes(name)) {
  const unknown = name !== undefined && !names.includes(name);
  console.error(`${unknown ? `no bench "${name}"\n` : ''}${USAGE}\n  benches: ${names.join(', ')}`);
  process.exit(values.help ? 0 : 2);
}

// What is measured is the built worker: an old build would give figures of code that is no longer there. Milliseconds when it is up to date.
const setup = fileURLToPath(new URL('../scripts/setup.mjs', import.meta.url));
if (spawnSync(process.execPath, [setup, '--only', 'typescript'], { stdio: ['ignore', 2, 2] }).status !== 0)
  process.exit(2);

const { bench } = (await import(`./${name}.js`)) as { bench: Bench };
console.log(`${bench.title}\n`);
const result = await bench.run({ long: values.long, log: (line) => console.error(line) });
printResult(result, (line) => console.log(line));
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
const { ok, line } = verdict(result);
console.log(`\n${line}`);
process.exit(values.check && !ok ? 1 : 0);
