import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchResult, Target } from '../bench/lib/result.js';

/**
 * Puts measured figures into docs/performance.md: `tsx scripts/performance-page.ts FOLDER`, where FOLDER holds what `npm run bench -- NAME --json FILE` wrote.
 * Only what stands between the markers is replaced; the words around are written by people.
 */
const folder = process.argv[2];
if (folder === undefined) {
  console.error('usage: tsx scripts/performance-page.ts FOLDER');
  process.exit(2);
}
const page = new URL('../docs/performance.md', import.meta.url);
const results = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .sort()
  .map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as BenchResult);
let text = readFileSync(page, 'utf8');
for (const result of results) {
  const begin = `<!-- begin ${result.name} -->`;
  const end = `<!-- end ${result.name} -->`;
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from === -1 || to < from) throw new Error(`docs/performance.md has no markers for "${result.name}"`);
  text = `${text.slice(0, from + begin.length)}\n\n${section(result)}\n\n${text.slice(to)}`;
}
writeFileSync(page, text);

function section({ machine, figures, floor, ratios, targets, notes }: BenchResult): string {
  const names = [...new Set([...Object.keys(figures), ...Object.keys(floor)])];
  const rows = names.map(
    (name) => `| ${name} | ${show(figures[name])} | ${show(floor[name])} | ${show(ratios[name])} |`,
  );
  const promised = targets.map(
    (target) =>
      `| ${target.name} | ${show(target.value)} | ${limit(target)} | ${target.holds ? 'holds' : '**missed**'} |`,
  );
  return [
    `${machine.cores} × ${machine.cpu}, ${machine.memoryGb} GiB, Linux ${machine.kernel}, Node ${machine.node}, ${machine.date}.`,
    '',
    '| figure | ours | floor | ratio |',
    '|---|---|---|---|',
    ...rows,
    '',
    '| target | value | limit | |',
    '|---|---|---|---|',
    ...promised,
    ...notes.map((note) => `\n${note}.`),
  ].join('\n');
}

function limit({ kind, limit }: Target): string {
  return `${kind === 'max' ? '≤' : '≥'} ${show(limit)}`;
}

function show(value: number | undefined): string {
  if (value === undefined || value === null) return '';
  if (Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  return size >= 1000 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : value.toFixed(2);
}
