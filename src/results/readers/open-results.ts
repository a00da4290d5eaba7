import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { IluvatarError } from '../../core/index.js';
import { openTable } from '../../tables/batches.js';
import { EXPERIMENT_FILE, type ExperimentFacts, FILES } from '../experiment-facts.js';
import type { RunSummary } from '../summary.js';
import { openExperiment } from './open-experiment.js';
import { ORIGINAL_CSV, openOriginalCsv } from './original-csv.js';
import { openOriginalBenchmark, openOriginalJson, openOriginalScaling } from './original-json.js';
import { openOwnTable } from './own-table.js';
import { readJson } from './read-json.js';
import type { RowSource } from './row-source.js';

/** Results of a run: rows, and what else its folder holds. */
export interface Results {
  /** For people. */
  readonly name: string;
  readonly path: string;
  readonly rows: RowSource;
  /** Null = it is a file, or a folder of the original's. */
  readonly experiment: ExperimentFacts | null;
  /** As the run has written it; null = it has not, or did not come to its end. */
  readonly summary: RunSummary | null;
  /** A table of seconds, as the simulator writes it; null = there is none. */
  readonly secondsFile: string | null;
  /** Tables of series of the run's window. */
  readonly metricFiles: readonly string[];
}

/**
 * Opens what a run has left: the folder of an experiment, a table of ours, or a file or folder of the original's load generator (`output-*.csv`, `output-full-*.json`,
 * `worker_function_benchmarks.json`, `<clients>.json` of a scaling run). What it is is told from what is in it. Throws IluvatarError `not_found` or `invalid`.
 */
export async function openResults(path: string): Promise<Results> {
  if (!existsSync(path)) throw new IluvatarError('not_found', `there is no file or folder ${path}`);
  if (!statSync(path).isDirectory()) {
    return { ...NOTHING_ELSE, name: basename(path), path, rows: await openFile(path) };
  }
  if (existsSync(join(path, EXPERIMENT_FILE))) return openExperiment(path);
  return { ...NOTHING_ELSE, name: basename(path), path, rows: await openFolder(path) };
}

const NOTHING_ELSE = { experiment: null, summary: null, secondsFile: null, metricFiles: [] };

async function openFile(file: string): Promise<RowSource> {
  if (file.endsWith('.json')) return openJson(file);
  const { columns } = await openTable(file);
  return ORIGINAL_CSV.every((name) => columns.includes(name)) ? openOriginalCsv(file) : openOwnTable(file);
}

function openJson(file: string): RowSource {
  const content = readJson(file);
  if (Array.isArray(content)) {
    const [first] = content as unknown[];
    const scaling = typeof first === 'object' && first !== null && 'thread_id' in first;
    return scaling ? openOriginalScaling(file, [{ file, threads: content }]) : openOriginalJson(file, content);
  }
  const { data } = (content ?? {}) as { data?: unknown };
  if (typeof data === 'object' && data !== null) return openOriginalBenchmark(file, data as Record<string, unknown>);
  throw new IluvatarError('invalid', `${file} is neither a list of invocations nor a benchmark's results`);
}

/** A folder of the original's: a scaling run is all of its files, otherwise the file that says the most. */
async function openFolder(folder: string): Promise<RowSource> {
  const names = readdirSync(folder).sort();
  const steps = names.filter((name) => /^\d+\.json$/.test(name)).map((name) => join(folder, name));
  if (steps.length > 0) {
    steps.sort((a, b) => Number(basename(a, '.json')) - Number(basename(b, '.json')));
    return openOriginalScaling(
      folder,
      steps.map((file) => ({ file, threads: readJson(file) })),
    );
  }
  const patterns = [
    FILES.parquet,
    FILES.csv,
    /^output-full-.*\.json$/,
    /^output-.*\.csv$/,
    /^(worker|controller)_function_benchmarks\.json$/,
  ];
  for (const pattern of patterns) {
    const found = names.filter((name) => (typeof pattern === 'string' ? name === pattern : pattern.test(name)));
    if (found.length > 1)
      throw new IluvatarError('invalid', `${folder} has several results: name one of ${found.join(', ')}`);
    if (found.length === 1) return openFile(join(folder, found[0] as string));
  }
  throw new IluvatarError('not_found', `${folder} holds no results: neither ${EXPERIMENT_FILE} nor any known file`);
}
