import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FetchRecord } from '../../telemetry/series/fetch-run.js';
import { action, type CommandHost } from '../command-host.js';
import type { Context } from '../context.js';
import { UsageError } from '../exit-codes.js';
import { facts, table } from '../output.js';
import { collect, parseDuration } from '../parse.js';
import { interruptible } from './interruption.js';

/** `iluvatar load fetch`: what metric servers have of a run's window, into its folder. */

interface Options {
  from: string[];
  series?: string[];
  step: number;
  workerClock?: string;
  begin?: string;
  end?: string;
  name?: string;
  plot?: string;
}

export function addLoadFetchCommand(host: CommandHost): void {
  host
    .add('fetch', "fetch the series of a run's window from metric servers, and keep them with its results", [
      'load fetch results/run-1 --from prometheus+http://127.0.0.1:9090',
      'load fetch results/run-1 --from graphite://graphite.lab/iluvatar --worker-clock http://10.0.0.2:8080',
      'load fetch results/run-1 --from influx2+http://influx.lab:8086/lab/workers --series worker_load.cpu_util',
      'load fetch results/run-1 --from prometheus+http://127.0.0.1:9090 --plot series.svg',
      'load fetch results/run-1 --from energy://power.parquet --plot power.svg',
    ])
    .argument('<folder>', "of the run: an experiment's")
    .requiredOption(
      '--from <address>',
      'a server: graphite://host[:port][/prefix], prometheus+http://host[:port], influx+http://host[:port]/database, influx2+http://host[:port]/organisation/bucket, or energy://FILE of `energy monitor`; may be repeated',
      collect,
    )
    .option(
      '--series <selection>',
      'a target, query or measurement, in the words of the server (default: what a worker has there); may be repeated',
      collect,
    )
    .option('--step <duration>', 'how far apart values are that the server computes', parseDuration, 1000)
    .option(
      '--worker-clock <url>',
      'a worker, over HTTP: its clock stamps what workers push, and times are corrected by how far it is off',
    )
    .option('--begin <time>', "ISO 8601; instead of the run's beginning")
    .option('--end <time>', "ISO 8601; instead of the run's end, and needed for one that did not come to it")
    .option('--name <name>', 'of the file in its folder metrics (default: the kind of the server)')
    .option('--plot <file>', "draw the series over the run's latencies; .svg")
    .addHelpText('after', '\nSecrets are read from the environment: INFLUX_TOKEN; INFLUX_USER and INFLUX_PASSWORD.')
    .action(action((context, options: Options, folder: string) => fetchSeries(context, options, folder)));
}

async function fetchSeries(context: Context, options: Options, folder: string): Promise<void> {
  const { from, series = [], step, workerClock, name, plot } = options;
  if (name !== undefined && (!/^[A-Za-z0-9_-]+$/.test(name) || from.length > 1)) {
    throw new UsageError('--name is for one --from, and has letters, digits, "-" and "_"');
  }
  if (plot !== undefined && !plot.endsWith('.svg')) throw new UsageError(`${plot}: the name must end in .svg`);
  if (step < 1) throw new UsageError('--step must be at least 1ms');
  const [{ openExperiment }, { FILES }, { openSource }, { fetchForRun }] = await Promise.all([
    import('../../results/readers/open-experiment.js'),
    import('../../results/experiment-facts.js'),
    import('../../telemetry/series/open-source.js'),
    import('../../telemetry/series/fetch-run.js'),
  ]);
  const { INFLUX_TOKEN: token = '', INFLUX_USER: user = '', INFLUX_PASSWORD: password = '' } = process.env;
  const sources = from.map((address) => openSource(address, { token, user, password }));
  const { experiment } = await openExperiment(folder);
  const beginUnixUs = options.begin === undefined ? experiment.begin.unixUs : instantUs('--begin', options.begin);
  const end = options.end === undefined ? experiment.end?.unixUs : instantUs('--end', options.end);
  if (end === undefined) throw new UsageError(`${folder} is of a run that did not come to its end: say --end`);
  if (end <= beginUnixUs) throw new UsageError('the window ends before it begins');
  const records = await interruptible(context, async ({ stop }) => {
    const done: FetchRecord[] = [];
    for (const [at, source] of sources.entries()) {
      const again = sources.slice(0, at).filter(({ kind }) => kind === source.kind).length;
      const run = { beginUnixUs, endUnixUs: end };
      const target = {
        folder: join(folder, FILES.metrics),
        name: name ?? `${source.kind}${again > 0 ? again + 1 : ''}`,
      };
      const clock = workerClock === undefined ? {} : { workerClock };
      const selection = { series, stepMs: step };
      done.push(await fetchForRun(source, run, { ...target, ...clock, selection, signal: stop }));
    }
    return done;
  });
  if (plot !== undefined) await drawOverlay(folder, plot);
  context.print(records, (all) => all.map(recordText).join('\n'));
}

/** Fetched or recorded series over the run's latencies. */
async function drawOverlay(folder: string, file: string): Promise<void> {
  const [{ loadSvgRenderer }, { analyse }, { overlay }, { openExperiment }] = await Promise.all([
    import('../../results/plots/render.js'),
    import('../../results/analysis.js'),
    import('../../results/plots/overlay.js'),
    import('../../results/readers/open-experiment.js'),
  ]);
  const render = await loadSvgRenderer();
  const specification = overlay(await analyse(await openExperiment(folder)), 'paper');
  if (specification === null)
    throw new UsageError(`${folder} has no rows whose time is known: there is nothing to draw`);
  writeFileSync(file, await render(specification));
}

function instantUs(option: string, text: string): number {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new UsageError(`${option}: "${text}" is not a time such as 2026-01-31T12:00:00Z`);
  return ms * 1000;
}

function recordText({ source, window, sourceClock, workerClock, correctedMs, file, series }: FetchRecord): string {
  const offset = ({ offsetMs, uncertaintyMs }: FetchRecord['sourceClock']): string =>
    `${offsetMs.toFixed(1)} ± ${uncertaintyMs.toFixed(1)} ms ahead`;
  const rows = table(
    series,
    [
      { title: 'SERIES', text: ({ series }) => series },
      { title: 'WORKER', text: ({ worker }) => worker || '–' },
      { title: 'POINTS', right: true, text: ({ points }) => String(points) },
    ],
    '',
  );
  const head = facts([
    ['from', source],
    ['window', `${window.begin} to ${window.end}`],
    ["source's clock", offset(sourceClock)],
    ...(workerClock === null ? [] : [["worker's clock", offset(workerClock)] as const]),
    ['times corrected by', `${correctedMs} ms`],
    ['file', `metrics/${file}`],
  ]);
  return head + rows;
}
