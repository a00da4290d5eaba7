import type { DetailedDistribution } from '../../results/distribution.js';
import type { EnergySummary } from '../../results/measures.js';
import type { FunctionSummary, RunSummary } from '../../results/summary.js';
import { facts, joules, microseconds, paint, seconds, table } from '../output.js';

/** A run's summary for people. */

const FUNCTIONS_SHOWN = 10;

export function summaryText(summary: RunSummary): string {
  const { us, slowdown, functions, steps, generator, window, rates } = summary;
  const took = window === null ? '' : ` in ${seconds(Math.max(0, window.lastEndUs - window.firstArrivalUs) / 1e6)}`;
  const parts = [
    facts([
      ['invocations', `${summary.invocations}${took}: ${countsText(summary.outcomes)}`],
      [
        'per second',
        rates === null
          ? 'not known: when they happened is not in the file'
          : `${rate(rates.offered)} offered, ${rate(rates.answered)} answered, ${rate(rates.succeeded)} successful`,
      ],
      ['containers found', coldText(summary)],
      ...(summary.energy === null ? [] : [['energy', energyText(summary.energy)] as const]),
    ]),
    distributions([
      ['latency, from the intended start', us.latency, microseconds],
      ['service, from sending', us.service, microseconds],
      ['queued', us.queue, microseconds],
      ['making containers', us.create, microseconds],
      ['running', us.run, microseconds],
      [`overhead${ownTimeText(summary)}`, us.overhead, microseconds],
      [`slowdown${warmText(functions)}`, slowdown, times],
      ["generator's lag", us.lag, microseconds],
    ]),
    errorsText(summary),
    functions.length > 1 ? functionsText(summary) : '',
    steps.length > 0 ? stepsText(summary) : '',
    generator.unsent > 0 ? `${generator.unsent} were never sent: the run ended before\n` : '',
    generator.bottlenecks.map((text) => `${paint('yellow', 'the generator:')} ${text}\n`).join(''),
  ];
  return parts.filter((part) => part !== '').join('\n');
}

export function countsText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ');
}

export function percent(ratio: number | null): string {
  return ratio === null ? '–' : `${(100 * ratio).toFixed(2)} %`;
}

export function times(value: number): string {
  return `${value.toFixed(2)} ×`;
}

export function rate(value: number): string {
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

type Line = readonly [name: string, distribution: DetailedDistribution, show: (value: number) => string];

/** Those that have no values are left out. */
function distributions(lines: readonly Line[]): string {
  const column = (title: string, key: keyof DetailedDistribution) => ({
    title,
    right: true,
    text: ([, distribution, show]: Line) => show(distribution[key]),
  });
  return table(
    lines.filter(([, { count }]) => count > 0),
    [
      { title: '', text: ([name]) => name },
      { title: 'COUNT', right: true, text: ([, { count }]) => String(count) },
      column('MEAN', 'mean'),
      column('P50', 'p50'),
      column('P90', 'p90'),
      column('P99', 'p99'),
      column('P99.9', 'p999'),
      column('MAX', 'max'),
    ],
    'no invocation was answered',
  );
}

/** As the worker said at the end of each. */
export function energyText({ invocations, joules: sum, meanJoules }: EnergySummary): string {
  return `${joules(sum)} above idling, ${joules(meanJoules)} each, of ${invocations}`;
}

function coldText({ states, coldRatio, codeColdRatio }: RunSummary): string {
  const said = coldRatio === null ? 'not said' : `${countsText(states)}; ${percent(coldRatio)} cold`;
  return codeColdRatio === null ? said : `${said}, ${percent(codeColdRatio)} by the functions' own word`;
}

function ownTimeText({ ownTime }: RunSummary): string {
  if (ownTime.byWorker === 0) return '';
  return ownTime.byFunction > 0
    ? " (functions' time as they or the worker say)"
    : " (functions' time as the worker says)";
}

function warmText(functions: readonly FunctionSummary[]): string {
  const sources = [...new Set(functions.flatMap(({ warm }) => (warm === null ? [] : [warm.from])))];
  const words = sources.map((from) => (from === 'given' ? 'the given' : `the ${from} seen`));
  return words.length === 0 ? '' : ` (of ${words.join(' or ')} warm time)`;
}

function errorsText({ errors }: RunSummary): string {
  if (errors.length === 0) return '';
  return table(
    errors,
    [
      { title: 'ERROR', text: ({ outcome }) => outcome },
      { title: 'COUNT', right: true, text: ({ count }) => String(count) },
      { title: 'SHARE', right: true, text: ({ share }) => percent(share) },
      { title: 'FIRST', text: ({ example }) => `${example.fn}: ${firstLine(example.error) || 'no text'}` },
    ],
    '',
  );
}

function firstLine(text: string): string {
  const line = text.split('\n', 1)[0] as string;
  return line.length > 80 ? `${line.slice(0, 79)}…` : line;
}

const ENERGY_EACH = {
  title: 'ENERGY EACH',
  right: true,
  text: ({ energy }: FunctionSummary) => (energy === null ? '–' : joules(energy.meanJoules)),
};

function functionsText({ functions, otherFunctions }: RunSummary): string {
  const shown = functions.slice(0, FUNCTIONS_SHOWN);
  const hidden = functions.length - shown.length + (otherFunctions?.functions ?? 0);
  const rest = hidden > 0 ? `and ${hidden} more: the summary as JSON has them\n` : '';
  const text = table(
    shown,
    [
      { title: 'FUNCTION', text: ({ fn }) => fn },
      { title: 'COUNT', right: true, text: ({ invocations }) => String(invocations) },
      { title: 'FAILED', right: true, text: ({ failed }) => String(failed) },
      { title: 'COLD', right: true, text: ({ coldRatio }) => percent(coldRatio) },
      { title: 'P50', right: true, text: ({ us }) => microseconds(us.latency.p50) },
      { title: 'P99', right: true, text: ({ us }) => microseconds(us.latency.p99) },
      { title: 'SLOWDOWN', right: true, text: ({ slowdown }) => (slowdown.count === 0 ? '–' : times(slowdown.mean)) },
      ...(shown.some(({ energy }) => energy !== null) ? [ENERGY_EACH] : []),
    ],
    '',
  );
  return text + rest;
}

function stepsText({ steps }: RunSummary): string {
  return table(
    steps,
    [
      { title: 'CLIENTS', right: true, text: ({ clients }) => String(clients) },
      { title: 'COUNT', right: true, text: ({ invocations }) => String(invocations) },
      { title: 'FAILED', right: true, text: ({ failed }) => String(failed) },
      { title: 'PER SECOND', right: true, text: ({ throughput }) => rate(throughput) },
      { title: 'P50', right: true, text: ({ latencyUs }) => microseconds(latencyUs.p50) },
      { title: 'P99', right: true, text: ({ latencyUs }) => microseconds(latencyUs.p99) },
      { title: 'MAX', right: true, text: ({ latencyUs }) => microseconds(latencyUs.max) },
    ],
    '',
  );
}
