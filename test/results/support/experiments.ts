import { seededRandom } from '../../../src/core/random.js';
import { Experiment } from '../../../src/results/experiment.js';
import type { LoadRow } from '../../../src/results/load-row.js';
import { SummaryBuilder } from '../../../src/results/summary.js';
import { integer, type Table, text } from '../../../src/tables/columns.js';
import { openSink } from '../../../src/tables/open-sink.js';
import { loadRow } from './rows.js';

export interface MadeRun {
  readonly seed?: number;
  readonly rows?: number;
  readonly functions?: number;
  readonly perSecond?: number;
  /** All service times are multiplied by this. */
  readonly factor?: number;
  /** Numbers of clients, one step for each, instead of an open loop. */
  readonly steps?: readonly number[];
  /** A series beside it. */
  readonly metrics?: boolean;
  readonly name?: string;
}

/** Rows as a load gives them, in one object: log-normal service times, cold starts where a function was idle for long, some failures. */
export function* madeRows(run: MadeRun = {}): Generator<LoadRow> {
  const { seed = 1, rows = 5000, functions = 8, perSecond = 200, factor = 1, steps = [-1] } = run;
  const random = seededRandom(seed);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const seen = new Set<string>();
  let now = 0;
  for (const [step, clients] of steps.entries()) {
    for (let i = 0; i < rows / steps.length; i++) {
      const speed = clients < 0 ? 1 : Math.min(clients, 8) / 8 + 0.1;
      now += (-Math.log(1 - random()) * 1e6) / (perSecond * speed);
      const index = Math.floor(random() ** 2 * functions);
      const fn = `fn-${index}@1`;
      const cold = !seen.has(fn) || random() < 0.01 * (index + 1);
      seen.add(fn);
      const code = Math.round(5000 * (index + 1) * factor * Math.exp(0.3 * normal()));
      const create = cold ? Math.round(80_000 * Math.exp(0.2 * normal())) : -1;
      const queue = Math.round(300 * -Math.log(1 - random()));
      const arrivalUs = Math.round(now);
      const sentUs = arrivalUs + Math.round(50 * -Math.log(1 - random()));
      const failed = random() < 0.01;
      yield loadRow({
        tid: `t${step}-${i}`,
        fn,
        arrivalUs,
        sentUs,
        queueUs: queue,
        createUs: create,
        codeUs: failed ? -1 : code,
        codeCold: failed ? -1 : Number(cold),
        runUs: code + 400,
        startUs: sentUs + queue + Math.max(0, create),
        endUs: sentUs + queue + Math.max(0, create) + code + 900,
        state: cold ? 'cold' : 'warm',
        outcome: failed ? 'user_error' : 'ok',
        error: failed ? 'ValueError: no such colour' : '',
        clients,
        client: clients < 0 ? -1 : i % clients,
      });
    }
  }
}

interface MetricRow {
  timeUs: number;
  worker: string;
  series: string;
  value: number;
}

const metricTable: Table<MetricRow> = {
  name: 'series',
  version: 1,
  columns: [
    integer('time_us', 'µs', 'since the beginning', (row) => row.timeUs),
    text('worker', 'of which', (row) => row.worker),
    text('series', 'its name', (row) => row.series),
    { kind: 'decimal', name: 'value', unit: '', meaning: 'of it', get: (row) => row.value },
  ],
};

/** The folder of a finished run. */
export async function makeExperiment(folder: string, run: MadeRun = {}): Promise<Experiment> {
  const { seed = 1, name } = run;
  const experiment = Experiment.create(folder, {
    kind: run.steps === undefined ? 'trace' : 'scaling',
    seed,
    targets: ['unix:/run/worker.sock'],
    run: { rate: run.perSecond ?? 200 },
    commandLine: ['load', 'trace'],
    ...(name === undefined ? {} : { name }),
  });
  experiment.begin();
  const sink = await experiment.openRows();
  const summary = new SummaryBuilder();
  let last = 0;
  for (const row of madeRows(run)) {
    sink.row(row);
    summary.add(row);
    last = row.endUs;
  }
  await sink.end();
  if (run.metrics === true) await writeMetrics(experiment, last, seed);
  experiment.end({
    state: 'finished',
    summary: summary.summary({ eventLoopUtilisation: 0.2, heldBack: 0, processes: 1 }),
  });
  return experiment;
}

async function writeMetrics(experiment: Experiment, lastUs: number, seed: number): Promise<void> {
  const random = seededRandom(seed, 7);
  const sink = await openSink(experiment.path('metrics/recorder.parquet'), metricTable);
  for (let timeUs = 0; timeUs <= lastUs; timeUs += 500_000) {
    const phase = timeUs / 5e6;
    for (const [series, value] of [
      ['iluvatar_memory_running_bytes', 2 ** 20 * (300 + 80 * Math.sin(phase) + 20 * random())],
      ['iluvatar_memory_cached_bytes', 2 ** 20 * (700 + 150 * Math.cos(phase / 2))],
      ['iluvatar_queue_length', Math.max(0, Math.round(5 * Math.sin(phase) + 3 * random()))],
    ] as const) {
      sink.row({ timeUs, worker: 'w', series, value });
    }
  }
  await sink.end();
}
