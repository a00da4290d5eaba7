import type { Comparison } from './compare.js';
import type { Measures } from './comparison.js';

/** A comparison as text: for machines every run, for people one line for each combination, with the means over its seeds. */

export interface MeasureColumn {
  readonly name: string;
  readonly title: string;
  readonly key: keyof Measures;
  /** Digits after the point, for people. */
  readonly digits: number;
}

export const measureColumns: readonly MeasureColumn[] = [
  { name: 'invocations', title: 'invocations', key: 'invocations', digits: 0 },
  { name: 'failed', title: 'failed', key: 'failed', digits: 0 },
  { name: 'cold_starts', title: 'cold starts', key: 'coldStarts', digits: 0 },
  { name: 'cold_ratio', title: 'cold ratio', key: 'coldRatio', digits: 4 },
  { name: 'mean_slowdown', title: 'mean slowdown', key: 'meanSlowdown', digits: 2 },
  { name: 'mean_queue_ms', title: 'mean queue, ms', key: 'meanQueueMs', digits: 1 },
  { name: 'p99_queue_ms', title: 'p99 queue, ms', key: 'p99QueueMs', digits: 1 },
  { name: 'mean_cached_mb', title: 'mean cached, MiB', key: 'meanCachedMb', digits: 0 },
  { name: 'mean_running_mb', title: 'mean running, MiB', key: 'meanRunningMb', digits: 0 },
  { name: 'evicted', title: 'evicted', key: 'evicted', digits: 0 },
  { name: 'expired', title: 'expired', key: 'expired', digits: 0 },
];

export interface MeanLine {
  readonly values: readonly string[];
  readonly measures: Measures;
}

/** One for each combination, in the order of the runs. */
export function meansOverSeeds({ runs }: Comparison): MeanLine[] {
  const groups = new Map<string, { values: readonly string[]; all: Measures[] }>();
  for (const { values, measures } of runs) {
    const key = JSON.stringify(values);
    const group = groups.get(key) ?? { values, all: [] };
    group.all.push(measures);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ values, all }) => {
    const means = Object.fromEntries(
      measureColumns.map(({ key }) => [key, all.reduce((sum, measures) => sum + measures[key], 0) / all.length]),
    );
    return { values, measures: means as unknown as Measures };
  });
}

export function toCsv({ keys, runs }: Comparison): string {
  const head = [...keys, 'seed', ...measureColumns.map(({ name }) => name)];
  const lines = runs.map(({ values, seed, measures }) =>
    [...values.map(cell), seed, ...measureColumns.map(({ key }) => measures[key])].join(','),
  );
  return `${[head.map(cell).join(','), ...lines].join('\n')}\n`;
}

export function toJson({ keys, runs }: Comparison): string {
  const rows = runs.map(({ values, seed, measures }) => ({
    ...Object.fromEntries(keys.map((key, i) => [key, values[i]])),
    seed,
    ...Object.fromEntries(measureColumns.map(({ name, key }) => [name, measures[key]])),
  }));
  return `${JSON.stringify(rows, null, 2)}\n`;
}

/** What people compare first: a table of each, if two keys or more are varied. */
const HEADLINES: readonly (keyof Measures)[] = ['coldRatio', 'meanSlowdown', 'p99QueueMs', 'meanCachedMb'];

/** With one key varied, a line for each value; with more, a table for each headline, the key of the axis across and the others down. */
export function toMarkdown(comparison: Comparison): string {
  const { keys } = comparison;
  const lines = meansOverSeeds(comparison);
  if (keys.length < 2) {
    const head = [...keys, ...measureColumns.map(({ title }) => title)];
    return markdown(
      head,
      keys.length,
      lines.map(({ values, measures }) => [...values, ...numbersOf(measures)]),
    );
  }
  const axis = axisOf(comparison);
  const others = (values: readonly string[]): string[] => values.filter((_, i) => i !== axis);
  const across = [...new Set(lines.map(({ values }) => values[axis] as string))];
  const down = new Map<string, MeanLine[]>();
  for (const line of lines) {
    const key = JSON.stringify(others(line.values));
    down.set(key, [...(down.get(key) ?? []), line]);
  }
  return measureColumns
    .filter(({ key }) => HEADLINES.includes(key))
    .map(({ key, title, digits }) => {
      const rows = [...down.values()].map((row) => [
        ...others((row[0] as MeanLine).values),
        ...row.map(({ measures }) => measures[key].toFixed(digits)),
      ]);
      const head = [...others(keys), ...across];
      return `**${title}**, by ${keys[axis]}:\n\n${markdown(head, keys.length - 1, rows)}`;
    })
    .join('\n');
}

function markdown(head: readonly string[], texts: number, rows: readonly (readonly string[])[]): string {
  const rule = head.map((_, i) => (i < texts ? '---' : '---:'));
  return `${[head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`;
}

/** As people read them. */
export function numbersOf(measures: Measures): string[] {
  return measureColumns.map(({ key, digits }) => measures[key].toFixed(digits));
}

/** The key that runs along an axis, or across a table: the one with the most values of those whose values are numbers; failing that, the last. By its place; -1 = none is varied. */
export function axisOf({ keys, runs }: Comparison): number {
  let best = keys.length - 1;
  let most = 0;
  for (let i = 0; i < keys.length; i++) {
    const values = new Set(runs.map((run) => run.values[i] as string));
    if (values.size <= most || ![...values].every((value) => value !== '' && Number.isFinite(Number(value)))) continue;
    most = values.size;
    best = i;
  }
  return best;
}

function cell(text: string): string {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
