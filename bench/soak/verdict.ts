import type { Reading } from './reading.js';

/** Whether a worker is back where it was. */
export interface Row {
  readonly name: string;
  readonly before: number;
  readonly after: number;
  /** Most that `after` may be. */
  readonly limit: number;
  readonly ok: boolean;
}

const SHARE = 0.05;
const MEMORY_SLACK_MB = 8;
/** Half a percent of a core is what an idle worker may use at most. */
const CPU_SLACK = 0.5;
/** Other programs move the shortest round trip too; what has grown with the number of containers would move it by far more. */
const ROUND_TRIP_SHARE = 0.5;

/** Each may have grown by 5 %, memory by 8 MiB. What is less than before is well. */
export function compare(before: Reading, after: Reading): Row[] {
  return (Object.keys(before) as (keyof Reading)[]).map((name) => {
    const limit = limitOf(name, before[name]);
    return { name, before: before[name], after: after[name], limit, ok: after[name] <= limit };
  });
}

function limitOf(name: keyof Reading, before: number): number {
  if (name.endsWith('MiB')) return before + Math.max(before * SHARE, MEMORY_SLACK_MB);
  if (name.startsWith('CPU')) return before + Math.max(before * SHARE, CPU_SLACK);
  if (name.startsWith('shortest')) return before * (1 + ROUND_TRIP_SHARE);
  return before * (1 + SHARE);
}

export function table(rows: readonly Row[]): string[] {
  const cells = rows.map(({ name, before, after, limit, ok }) => [
    name,
    ...[before, after, limit].map((value) => value.toFixed(Number.isInteger(value) ? 0 : 1)),
    ok ? 'ok' : 'OVER',
  ]);
  const all = [['', 'before', 'after', 'at most', ''], ...cells];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...all.map((row) => (row[column] as string).length)));
  return all.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] as number) : cell.padStart(widths[column] as number),
      )
      .join('  ')
      .trimEnd(),
  );
}
