import type { ComparisonLine, RunComparison, SideFacts } from '../../results/compare/compare.js';
import { STATISTICS, type Statistic } from '../../results/compare/statistics.js';
import { facts, microseconds, paint, table } from '../output.js';
import { percent, rate } from './summary-text.js';

/** A comparison of runs for people. */
export function comparisonText(comparison: RunComparison): string {
  const { a, b, confidence, resamples, seed, lines, notes, effect } = comparison;
  const colour = ({ verdict }: ComparisonLine): 'green' | 'red' | 'dim' =>
    verdict === 'better' ? 'green' : verdict === 'worse' ? 'red' : 'dim';
  return [
    facts([
      ['A', sideText(a)],
      ['B', sideText(b)],
    ]),
    table(
      lines,
      [
        { title: '', text: ({ statistic }) => STATISTICS[statistic].title },
        { title: 'A', right: true, text: ({ statistic, a: value }) => valueText(statistic, value) },
        { title: 'B', right: true, text: ({ statistic, b: value }) => valueText(statistic, value) },
        { title: 'B − A', right: true, text: differenceText },
        { title: 'INTERVAL', right: true, text: intervalText },
        { title: 'VERDICT', text: (line) => paint(colour(line), verdictText(line)) },
      ],
      'nothing can be compared: no invocation was answered',
    ),
    `${effectText(effect)}\nThe intervals hold together with ${100 * confidence} % confidence: block bootstrap, ${resamples} resamples, seed ${seed}.\n`,
    ...notes.map((note) => `${paint('yellow', 'note:')} ${note}\n`),
  ].join('');
}

export function sideText({ names, invocations, blocks }: SideFacts): string {
  return `${names.join(', ')} (${invocations} invocations in ${blocks} blocks)`;
}

export function valueText(statistic: Statistic, value: number): string {
  const { kind } = STATISTICS[statistic];
  return kind === 'time' ? microseconds(value) : kind === 'share' ? percent(value) : rate(value);
}

export function differenceText({ statistic, difference, relative }: ComparisonLine): string {
  return relative === null || STATISTICS[statistic].kind === 'share'
    ? signed(difference, (value) => valueText(statistic, value))
    : signed(100 * relative.difference, (value) => `${value.toFixed(1)} %`);
}

/** Relative where the difference is. */
export function intervalText({ statistic, interval, relative }: ComparisonLine): string {
  const [low, high] =
    relative === null || STATISTICS[statistic].kind === 'share'
      ? interval.map((value) => signed(value, (size) => valueText(statistic, size)))
      : relative.interval.map((value) => signed(100 * value, (size) => `${size.toFixed(1)} %`));
  return `${low} … ${high}`;
}

export function verdictText(line: ComparisonLine): string {
  const { statistic, interval, relative, verdict } = line;
  const share = STATISTICS[statistic].kind === 'share';
  switch (verdict) {
    case 'better':
    case 'worse':
      return `B is ${verdict}`;
    case 'negligible':
      return 'different, but by too little to matter';
    case 'unknown':
      return 'too few values beyond it to say';
    case 'none': {
      // What a true difference would have had to be at least to stand out.
      const half = (bounds: readonly [number, number]): number => (bounds[1] - bounds[0]) / 2;
      const resolution =
        relative === null || share
          ? valueText(statistic, half(interval))
          : `${(100 * half(relative.interval)).toFixed(1)} %`;
      return `no difference seen at this resolution (± ${resolution})`;
    }
  }
}

/** Thresholds of Romano et al. (2006), "Appropriate statistics for ordinal level data". */
export function effectText(effect: number | null): string {
  if (effect === null) return 'No invocation was answered on one side: there is no effect to speak of.';
  const size = Math.abs(effect);
  const word = size < 0.147 ? 'negligible' : size < 0.33 ? 'small' : size < 0.474 ? 'medium' : 'large';
  return `Effect on latencies (Cliff's delta): ${signed(effect, (value) => value.toFixed(3))}, ${word}.`;
}

function signed(value: number, show: (size: number) => string): string {
  return `${value < 0 ? '−' : '+'}${show(Math.abs(value))}`;
}
