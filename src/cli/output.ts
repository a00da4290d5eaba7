import { stripVTControlCharacters, styleText } from 'node:util';

/** Words and tables for people. Colours only where they are seen: on a terminal, and not with NO_COLOR. */

type Style = Parameters<typeof styleText>[0];

export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return stream.isTTY === true && !process.env.NO_COLOR ? styleText(style, text) : text;
}

export interface Column<Row> {
  readonly title: string;
  readonly right?: boolean;
  text(row: Row): string;
}

/** Aligned columns under a head; `empty` when there are no rows. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], empty: string): string {
  if (rows.length === 0) return `${empty}\n`;
  const head = columns.map((column) => paint('bold', column.title));
  return alignedLines(
    [head, ...rows.map((row) => columns.map((column) => column.text(row)))],
    columns.map((column) => column.right === true),
  );
}

/** Two columns: what, and its value. */
export function facts(pairs: readonly (readonly [string, string])[]): string {
  return alignedLines(
    pairs.map(([name, value]) => [paint('dim', name), value]),
    [false, false],
  );
}

function alignedLines(lines: readonly (readonly string[])[], right: readonly boolean[]): string {
  const widths = right.map((_, i) => Math.max(...lines.map((line) => width(line[i] as string))));
  const last = widths.length - 1;
  return lines
    .map((cells) => {
      const padded = cells.map((cell, i) => {
        const fill = ' '.repeat((widths[i] as number) - width(cell));
        if (right[i]) return fill + cell;
        return i === last ? cell : cell + fill;
      });
      return `${padded.join('  ').trimEnd()}\n`;
    })
    .join('');
}

function width(text: string): number {
  return [...stripVTControlCharacters(text)].length;
}

/** `850 µJ`, `12.3 mJ`, `4.50 J`, `1.20 kJ` */
export function joules(value: number): string {
  if (value < 1e-3) return `${Math.round(value * 1e6)} µJ`;
  if (value < 1) return `${(value * 1e3).toFixed(value < 0.01 ? 2 : 1)} mJ`;
  return value < 1000 ? `${value.toFixed(2)} J` : `${(value / 1000).toFixed(2)} kJ`;
}

/** `850 µs`, `12.3 ms`, `4.5 s` */
export function microseconds(us: number): string {
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 1_000_000) return `${(us / 1000).toFixed(us < 10_000 ? 2 : 1)} ms`;
  return `${(us / 1_000_000).toFixed(2)} s`;
}

/** `42 s`, `3 m 12 s`, `5 h 2 m`, `3 d 4 h` */
export function seconds(total: number): string {
  const s = Math.floor(total);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} m ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} m`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}
