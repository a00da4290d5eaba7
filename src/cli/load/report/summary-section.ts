import { hostname } from 'node:os';
import { html } from 'hono/html';
import type { Analysis } from '../../../results/analysis.js';
import type { DetailedDistribution } from '../../../results/distribution.js';
import { MEASURES } from '../../../results/measures.js';
import { actualState } from '../../../results/readers/open-experiment.js';
import type { RunSummary } from '../../../results/summary.js';
import { joules, microseconds, seconds } from '../../output.js';
import { countsText, energyText, percent, rate, times } from '../summary-text.js';
import { factsTable, type Html, htmlTable } from './html-table.js';

/** What one run was, and what came of it, as tables. */

export function factsSection({ results, summary }: Analysis): Html {
  const { experiment, rows } = results;
  const { window } = summary;
  const facts: [string, string][] = [['from', results.path]];
  if (experiment !== null) {
    const { versions, machine, git, begin, end, targets, commandLine, seed, kind } = experiment;
    facts.push(
      ['kind', kind],
      ['state', actualState(experiment, hostname())],
      ['target', targets.join(', ')],
      ['begun', begin.wall],
      ['took', end === null ? 'not known: it has no end' : seconds((end.monotonicUs - begin.monotonicUs) / 1e6)],
      ['seed', String(seed)],
      ['command', commandLine.join(' ')],
      ['machine', `${machine.cores} × ${machine.cpu}, ${machine.memoryMb} MiB, ${machine.hostname}`],
      ['versions', `Ilúvatar ${versions.iluvatar}, Node ${versions.node}, Linux ${versions.kernel}`],
      ['commit', git === null ? 'not known' : `${git.commit}${git.dirty ? ', with changes' : ''}`],
    );
  } else facts.push(['kind', rows.kind]);
  if (window !== null) facts.push(['window', seconds(Math.max(0, window.lastEndUs - window.firstArrivalUs) / 1e6)]);
  return factsTable('What ran', facts);
}

export function summarySection(summary: RunSummary): Html {
  const { rates, states, generator } = summary;
  return html`${generator.bottlenecks.map((text) => html`<p class="note">The generator may have been the bottleneck: ${text}.</p>`)}
${factsTable('Counts', [
  ['invocations', String(summary.invocations)],
  ['outcomes', countsText(summary.outcomes)],
  ['offered, per second', rates === null ? 'not known' : rate(rates.offered)],
  ['successful, per second', rates === null ? 'not known' : rate(rates.succeeded)],
  ['containers found', countsText(states) || 'not said'],
  ['cold ratio', percent(summary.coldRatio)],
  ["cold ratio by the functions' own word", percent(summary.codeColdRatio)],
  ['energy', summary.energy === null ? 'not said' : energyText(summary.energy)],
])}
${distributionsTable(summary)}
${summary.errors.length === 0 ? '' : errorsTable(summary)}
${summary.steps.length === 0 ? '' : stepsTable(summary)}
${functionsTable(summary)}`;
}

type Line = readonly [name: string, meaning: string, of: DetailedDistribution, show: (value: number) => string];

function distributionsTable({ us, slowdown, functions }: RunSummary): Html {
  const warm = [...new Set(functions.flatMap((fn) => (fn.warm === null ? [] : [fn.warm.from])))].join(' or ');
  const lines: Line[] = (Object.keys(MEASURES) as (keyof typeof MEASURES)[]).map((name) => [
    name,
    MEASURES[name],
    us[name],
    microseconds,
  ]);
  lines.push(['slowdown', `latency divided by the function's warm time (${warm || 'none known'})`, slowdown, times]);
  const column = (title: string, key: keyof DetailedDistribution) => ({
    title,
    cell: ([, , of, show]: Line) => show(of[key]),
  });
  return htmlTable(
    'How long it took; of invocations that their function has ended',
    lines.filter(([, , { count }]) => count > 0),
    [
      { title: 'of', cell: ([name]) => name },
      { title: 'count', cell: ([, , { count }]) => String(count) },
      column('mean', 'mean'),
      column('p50', 'p50'),
      column('p90', 'p90'),
      column('p99', 'p99'),
      column('p99.9', 'p999'),
      column('max', 'max'),
      { title: 'meaning', words: true, cell: ([, meaning]) => meaning },
    ],
  );
}

function errorsTable({ errors }: RunSummary): Html {
  return htmlTable('Errors', errors, [
    { title: 'class', cell: ({ outcome }) => outcome },
    { title: 'count', cell: ({ count }) => String(count) },
    { title: 'share', cell: ({ share }) => percent(share) },
    {
      title: 'the first',
      words: true,
      cell: ({ example }) => `${example.fn} (${example.tid}): ${example.error || 'no text'}`,
    },
  ]);
}

function stepsTable({ steps }: RunSummary): Html {
  return htmlTable('By number of clients', steps, [
    { title: 'clients', cell: ({ clients }) => String(clients) },
    { title: 'invocations', cell: ({ invocations }) => String(invocations) },
    { title: 'failed', cell: ({ failed }) => String(failed) },
    { title: 'successful per second', cell: ({ throughput }) => rate(throughput) },
    { title: 'p50', cell: ({ latencyUs }) => microseconds(latencyUs.p50) },
    { title: 'p99', cell: ({ latencyUs }) => microseconds(latencyUs.p99) },
    { title: 'max', cell: ({ latencyUs }) => microseconds(latencyUs.max) },
  ]);
}

function functionsTable({ functions, otherFunctions }: RunSummary): Html {
  const rows = functions.map(({ fn, ...group }) => ({ name: fn, group }));
  const others = otherFunctions === null ? [] : [{ name: `${otherFunctions.functions} others`, group: otherFunctions }];
  return htmlTable(
    'By function',
    [...rows, ...others],
    [
      { title: 'function', cell: ({ name }) => name },
      { title: 'invocations', cell: ({ group }) => String(group.invocations) },
      { title: 'failed', cell: ({ group }) => String(group.failed) },
      { title: 'cold', cell: ({ group }) => `${group.cold} (${percent(group.coldRatio)})` },
      { title: 'p50', cell: ({ group }) => microseconds(group.us.latency.p50) },
      { title: 'p99', cell: ({ group }) => microseconds(group.us.latency.p99) },
      {
        title: 'overhead, p50',
        cell: ({ group: { us } }) => (us.overhead.count === 0 ? '–' : microseconds(us.overhead.p50)),
      },
      {
        title: 'mean slowdown',
        cell: ({ group: { slowdown } }) => (slowdown.count === 0 ? '–' : times(slowdown.mean)),
      },
      {
        title: 'energy, mean',
        cell: ({ group: { energy } }) => (energy === null ? '–' : joules(energy.meanJoules)),
      },
    ],
  );
}
