import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { IluvatarError } from '../../core/index.js';
import {
  EXPERIMENT_FILE,
  type ExperimentFacts,
  type ExperimentState,
  FILES,
  SUMMARY_FILE,
} from '../experiment-facts.js';
import type { RunSummary } from '../summary.js';
import type { Results } from './open-results.js';
import { openOwnTable } from './own-table.js';
import { readJson } from './read-json.js';
import type { RowSource } from './row-source.js';

/** Reads an experiment's folder back, also one whose run has died or goes on. Throws IluvatarError `not_found` or `invalid`. */
export async function openExperiment(folder: string): Promise<Results & { readonly experiment: ExperimentFacts }> {
  const experiment = readFacts(folder);
  const seconds = join(folder, FILES.seconds);
  const metrics = join(folder, FILES.metrics);
  return {
    name: experiment.name,
    path: folder,
    rows: await openRows(folder, experiment.state),
    experiment,
    summary: readSummary(folder),
    secondsFile: existsSync(seconds) ? seconds : null,
    metricFiles: existsSync(metrics)
      ? readdirSync(metrics)
          .filter((name) => name.endsWith('.parquet'))
          .sort()
          .map((name) => join(metrics, name))
      : [],
  };
}

export type ActualState = ExperimentState | 'died';

/** `died` = it says that it is running, and its process is gone. On another machine than the one it ran on, nobody can know: there a running one is half, too. */
export function actualState({ state, pid, machine }: ExperimentFacts, hostname: string): ActualState {
  if (state !== 'running') return state;
  return machine.hostname === hostname && existsSync(`/proc/${pid}`) ? 'running' : 'died';
}

function readFacts(folder: string): ExperimentFacts {
  const file = join(folder, EXPERIMENT_FILE);
  if (!existsSync(file))
    throw new IluvatarError('not_found', `${folder} is no experiment's folder: it has no ${EXPERIMENT_FILE}`);
  const facts = readJson(file) as Partial<ExperimentFacts> | null;
  if (facts?.format !== 'iluvatar.experiment') {
    throw new IluvatarError('invalid', `${file} does not say "format": "iluvatar.experiment"`);
  }
  if (facts.version !== 1) {
    throw new IluvatarError(
      'invalid',
      `${file} has version ${facts.version}, and this program knows 1: use a newer one`,
    );
  }
  return facts as ExperimentFacts;
}

function readSummary(folder: string): RunSummary | null {
  const file = join(folder, SUMMARY_FILE);
  if (!existsSync(file)) return null;
  const summary = readJson(file) as Partial<RunSummary> | null;
  if (summary?.format !== 'iluvatar.summary') throw new IluvatarError('invalid', `${file} is no summary of a run`);
  return summary.version === 1 ? (summary as RunSummary) : null;
}

/** Parquet has its index at its end: what died has none, and then the CSV, whole up to its last flush, is read instead. */
async function openRows(folder: string, state: ExperimentState): Promise<RowSource> {
  const [parquet, csv] = [join(folder, FILES.parquet), join(folder, FILES.csv)];
  if (existsSync(parquet)) {
    try {
      return await openOwnTable(parquet);
    } catch (error) {
      if (state === 'finished' || !existsSync(csv)) throw error;
    }
  }
  if (!existsSync(csv))
    throw new IluvatarError('not_found', `${folder} holds no rows: neither ${FILES.parquet} nor ${FILES.csv}`);
  return openOwnTable(csv);
}
