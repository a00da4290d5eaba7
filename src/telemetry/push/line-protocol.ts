import type { Point } from './point.js';

/**
 * InfluxDB's line protocol, the same for both versions of its API, with times in ms: `measurement,tag=value field=1.5,other=2i 1700000000000`. Fields that are no number (NaN, ∞) cannot be
 * written and are left out; a point without any field makes no line.
 */
export function lineOf({ measurement, tags, fields, timeMs }: Point): string {
  const values = fields.filter(({ value }) => Number.isFinite(value));
  if (values.length === 0) return '';
  const head = [escaped(measurement, /[,\s]/g)];
  // Sorted, which saves the server doing it; an empty value is none.
  for (const [name, value] of Object.entries(tags).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (value !== '') head.push(`${escaped(name, /[,=\s]/g)}=${escaped(value, /[,=\s]/g)}`);
  }
  const body = values.map(({ name, value, integer }) => `${escaped(name, /[,=\s]/g)}=${value}${integer ? 'i' : ''}`);
  return `${head.join(',')} ${body.join(',')} ${Math.round(timeMs)}\n`;
}

/** A line break has no escape: it becomes a space. So does a backslash at the end, which would take the separator after it for its own. */
function escaped(text: string, special: RegExp): string {
  return text
    .replace(/[\r\n]/g, ' ')
    .replace(/\\+$/, '')
    .replace(special, (character) => `\\${character}`);
}
