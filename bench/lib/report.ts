import { stripVTControlCharacters } from 'node:util';
import type { BenchResult, Target } from './result.js';

/** Prints a result as aligned tables, and says which targets were missed. */
export function printResult(result: BenchResult, write: (line: string) => void): void {
  const { machine } = result;
  write(
    `${result.name} — ${machine.cores} × ${machine.cpu}, Linux ${machine.kernel}, Node ${machine.node}, ${machine.date}`,
  );
  const rows: string[][] = [['figure', 'ours', 'floor', 'ratio']];
  for (const name of new Set([
    ...Object.keys(result.figures),
    ...Object.keys(result.floor),
    ...Object.keys(result.ratios),
  ])) {
    rows.push([name, show(result.figures[name]), show(result.floor[name]), show(result.ratios[name])]);
  }
  for (const line of table(rows)) write(line);
  if (result.targets.length > 0) {
    write('');
    for (const line of table([['target', 'value', 'limit', ''], ...result.targets.map(targetRow)])) write(line);
  }
  for (const note of result.notes) write(`  ${note}`);
}

/** The last line of a checked run: which targets were missed and by how much. */
export function verdict(result: BenchResult): { ok: boolean; line: string } {
  const missed = result.targets.filter((target) => !target.holds);
  if (missed.length === 0) return { ok: true, line: `${result.name}: all ${result.targets.length} targets hold` };
  const each = missed.map(
    (target) => `${target.name} ${show(target.value)} (limit ${limit(target)}, ${offBy(target)})`,
  );
  return { ok: false, line: `${result.name}: missed ${missed.length} of ${result.targets.length}: ${each.join('; ')}` };
}

function offBy({ value, limit, kind }: Target): string {
  if (!Number.isFinite(value)) return 'not measured';
  if (limit === 0) return `off by ${show(Math.abs(value))}`;
  return `off by ${show(100 * (kind === 'max' ? value / limit - 1 : 1 - value / limit))} %`;
}

function limit(target: Target): string {
  return `${target.kind === 'max' ? '≤' : '≥'} ${show(target.limit)}`;
}

function targetRow(target: Target): string[] {
  return [target.name, show(target.value), limit(target), target.holds ? 'holds' : 'MISSED'];
}

function show(value: number | undefined): string {
  if (value === undefined) return '';
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (Number.isInteger(value)) return String(value);
  return size >= 1000 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : value.toFixed(3);
}

function table(rows: string[][]): string[] {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...rows.map((row) => width(row[i] ?? ''))));
  return rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number))).join('  '),
  );
}

function width(text: string): number {
  return stripVTControlCharacters(text).length;
}
