import type { Quartiles, TraceSummary } from '../../load/generate/trace-analysis.js';
import { facts, microseconds, seconds, table } from '../output.js';

/** What a trace is like, for people. */
export function traceSummaryText(summary: TraceSummary): string {
  const { rate, gapCv, popularity, expected, warmMs, memoryMb } = summary;
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const ms = (value: number): string => microseconds(value * 1000);
  const spread = ({ p25, p50, p75, max }: Quartiles, show: (value: number) => string): string =>
    `quartiles ${show(p25)}, ${show(p50)}, ${show(p75)}; max ${show(max)}`;
  const mib = (value: number): string => `${Math.round(value)} MiB`;
  const whole = facts([
    ['invocations', `${summary.invocations} of ${summary.called} functions in ${length(summary.lengthS)}`],
    ['rate', `mean ${rate.mean.toFixed(2)}/s, most in one second ${rate.peak}`],
    [
      'gaps',
      `CV ${gapCv.all.toFixed(2)} of all, ${gapCv.medianFunction.toFixed(2)} of the median function (1 = Poisson)`,
    ],
    [
      'popularity',
      `first ${percent(popularity.first)}, first hundredth ${percent(popularity.hundredth)}, first tenth ${percent(popularity.tenth)} of the invocations`,
    ],
    ['warm runs', spread(warmMs, ms)],
    ['memory', spread(memoryMb, mib)],
    [
      'expected load',
      `${expected.busySlots.toFixed(2)} busy slots (all cold: ${expected.busySlotsCold.toFixed(2)}), by Little's law: Σ rate × duration`,
    ],
    [
      '',
      `${mib(expected.runningMb)} of running containers; one container of each function: ${mib(expected.oneEachMb)}`,
    ],
    ['most at once', `${expected.peakSlots} slots, ${mib(expected.peakRunningMb)}, if each began when it arrives`],
  ]);
  const most = table(
    summary.mostCalled,
    [
      { title: 'MOST CALLED', text: ({ name }) => name },
      { title: 'INVOCATIONS', right: true, text: ({ invocations }) => String(invocations) },
      { title: 'MEAN GAP', right: true, text: ({ meanIatMs }) => (meanIatMs === null ? '-' : ms(meanIatMs)) },
      { title: 'CV', right: true, text: (row) => row.gapCv?.toFixed(2) ?? '-' },
      { title: 'SLOTS', right: true, text: ({ busySlots }) => busySlots.toFixed(3) },
    ],
    'nothing is called',
  );
  return `${whole}\n${most}`;
}

function length(s: number): string {
  return s < 60 ? `${s.toFixed(1)} s` : seconds(s);
}
