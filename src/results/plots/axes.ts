import type { Specification } from './render.js';

/** A logarithmic axis from the least to the greatest of these, with a label at 1, 2 and 5 of each power of ten: vega's own choice leaves gaps and lets labels touch. */
export function logarithmic(values: readonly number[]): {
  readonly scale: Specification;
  readonly axis: Specification;
} {
  const positive = values.filter((value) => value > 0);
  const least = Math.min(...positive);
  const greatest = Math.max(...positive);
  const decades = Math.log10(greatest / least);
  const steps = decades > 4 ? [1] : [1, 2, 5];
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(greatest)); power++) {
    for (const step of steps) ticks.push(Number((step * 10 ** power).toPrecision(1)));
  }
  const within = ticks.filter((tick) => tick >= least && tick <= greatest);
  // Values that lie closer together than two ticks still need one, or nobody knows what they are.
  const shown = within.length >= 2 ? within : [least, greatest].map((value) => Number(value.toPrecision(3)));
  return {
    scale: { type: 'log', nice: false, domain: least === greatest ? [least / 1.1, greatest * 1.1] : [least, greatest] },
    axis: { values: shown, format: '~f' },
  };
}

/** Names of lines, told apart by colour and, for those who do not see it, by dashes; one legend for both. */
export function lineNames(field: string, names: readonly string[], scale: Specification): Specification {
  return {
    color: { field, type: 'nominal', sort: names, scale },
    strokeDash: { field, type: 'nominal', sort: names, scale: { domain: names, range: dashesOf(names.length) } },
  };
}

const DASHES = [
  [1, 0],
  [6, 3],
  [2, 2],
  [8, 2, 2, 2],
  [4, 4],
  [1, 3],
];

function dashesOf(count: number): number[][] {
  return Array.from({ length: count }, (_, i) => DASHES[i % DASHES.length] as number[]);
}
