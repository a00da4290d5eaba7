import type { Specification } from './render.js';

/** A logarithmic axis over these values, with a label at 1, 2 and 5 of each power of ten: vega's own choice leaves gaps and lets labels touch. */
export function logarithmic(values: readonly number[]): {
  readonly scale: Specification;
  readonly axis: Specification;
} {
  const positive = values.filter((value) => value > 0);
  const least = Math.min(...positive);
  const greatest = Math.max(...positive);
  const steps = Math.log10(greatest / least) > 4 ? [1] : [1, 2, 5];
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(greatest)) + 1; power++) {
    for (const step of steps) ticks.push(Number((step * 10 ** power).toPrecision(1)));
  }
  const within = ticks.filter((tick) => tick >= least && tick <= greatest);
  const domain =
    within.length >= 2
      ? [least, greatest]
      : // Closer together than two labels: the axis reaches to the next ones, or nobody could read it.
        [ticks.filter((tick) => tick <= least).at(-1) ?? least, ticks.find((tick) => tick > greatest) ?? greatest];
  return {
    scale: { type: 'log', nice: false, domain },
    axis: { values: within.length >= 2 ? within : ticks.filter((tick) => tick >= (domain[0] as number)), format: '~f' },
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
