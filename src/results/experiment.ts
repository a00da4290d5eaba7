import { appendFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import { IluvatarError } from '../core/index.js';
import { openSink } from '../tables/open-sink.js';
import { SeveralSinks } from '../tables/several-sinks.js';
import type { RowSink } from '../tables/sink.js';
import { EXPERIMENT_FILE, type ExperimentFacts, FILES, SUMMARY_FILE } from './experiment-facts.js';
import { type LoadRow, loadTable } from './load-row.js';
import { gitFacts, machineFacts, versions } from './provenance.js';
import { Reserve } from './reserve.js';
import type { RunSummary } from './summary.js';
import { writeJson } from './whole-file.js';

/**
 * The folder of one run, while it is written. `experiment.json` is there from the first moment and says `running` until the end, so that the folder of a run that died is
 * readable, and known to be half; `rows.csv` is whole up to its last flush even then. See experiment-reader.ts for the other direction.
 */

export interface ExperimentOptions {
  /** What ran: `trace`, `run`, `benchmark`, `scaling`, `simulation`, … */
  readonly kind: string;
  /** For people, in reports; the folder's own name unless said otherwise. */
  readonly name?: string;
  readonly seed: number;
  /** What the load was sent to, as the user gave it. */
  readonly targets: readonly string[];
  /** Options of the run, all of them, defaults included; JSON. */
  readonly run: unknown;
  /** The worker's configuration, as far as it is known; JSON; null = not known. */
  readonly worker?: unknown;
  /** As it can be typed again: `process.argv.slice(2)` of the command unless said otherwise. */
  readonly commandLine?: readonly string[];
}

export interface Ending {
  /** `finished` = as planned; `interrupted` = by the user or a stop condition; `failed` with its error. */
  readonly state: 'finished' | 'interrupted' | 'failed';
  readonly error?: string;
  readonly summary: RunSummary;
}

export class Experiment {
  readonly folder: string;
  #facts: ExperimentFacts;
  #reserve: Reserve | null = null;

  private constructor(folder: string, facts: ExperimentFacts) {
    this.folder = folder;
    this.#facts = facts;
  }

  /**
   * Makes the folder; one that is there must be empty, or hold no experiment: nothing is overwritten. Throws IluvatarError `conflict`, `invalid` or `unavailable`.
   */
  static create(folder: string, options: ExperimentOptions): Experiment {
    if (existsSync(join(folder, EXPERIMENT_FILE))) {
      throw new IluvatarError('conflict', `${folder} holds the results of another run: choose another folder`);
    }
    try {
      for (const name of [FILES.logs, FILES.metrics]) mkdirSync(join(folder, name), { recursive: true });
    } catch (error) {
      throw new IluvatarError('invalid', `${folder} cannot be made: ${(error as Error).message}`);
    }
    const experiment = new Experiment(folder, factsOf(folder, options));
    experiment.#write();
    return experiment;
  }

  get facts(): ExperimentFacts {
    return this.#facts;
  }

  /** When the run's clock begins, on the machine's monotonic clock in µs; now, unless given. All times of its rows count from there. */
  begin(monotonicUs?: number): void {
    this.#set({ begin: moment(monotonicUs) });
  }

  /** Where the rows of a load go: Parquet and CSV at once. */
  async openRows(): Promise<RowSink<LoadRow>> {
    this.#reserve = new Reserve(this.path('.reserved'));
    const names = [FILES.parquet, FILES.csv];
    const sinks = new SeveralSinks(await Promise.all(names.map((name) => openSink(this.path(name), loadTable))));
    return {
      row: (row) => sinks.row(row),
      backlog: () => sinks.backlog(),
      end: () => {
        this.#reserve?.release();
        return sinks.end();
      },
    };
  }

  /** A path inside the folder. Throws IluvatarError `invalid` for one that leads out of it. */
  path(name: string): string {
    if (isAbsolute(name) || name.split('/').includes('..')) {
      throw new IluvatarError('invalid', `"${name}" is not inside the folder of an experiment`);
    }
    return join(this.folder, name);
  }

  /** One line, with its time, into `logs/<name>.log`. Of use to whoever reads what went wrong: it is not lost when the run dies. */
  log(name: string, line: string): void {
    try {
      appendFileSync(this.path(`${FILES.logs}/${name}.log`), `${new Date().toISOString()} ${line}\n`);
    } catch (error) {
      throw new IluvatarError('unavailable', `${this.folder}: a log cannot be written: ${(error as Error).message}`);
    }
  }

  /** What is known only later: the worker's configuration, what its targets say of themselves, offsets of clocks. Replaces what has the same name. */
  note(name: string, value: unknown): void {
    this.#set({ notes: { ...this.#facts.notes, [name]: value } });
  }

  /** Once, when all rows are written. Says how it ended even where the summary cannot be written, which it then throws (IluvatarError `unavailable`). */
  end({ state, error, summary }: Ending): void {
    try {
      this.#reserve?.release();
      writeJson(this.path(SUMMARY_FILE), summary);
    } finally {
      const files = filesOf(this.folder).filter((file) => file !== EXPERIMENT_FILE);
      this.#set({ state, error: error ?? null, end: moment(), files });
    }
  }

  #set(changes: Partial<ExperimentFacts>): void {
    this.#facts = { ...this.#facts, ...changes };
    this.#write();
  }

  #write(): void {
    writeJson(join(this.folder, EXPERIMENT_FILE), this.#facts);
  }
}

/** Relative to the folder, sorted. */
function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

function factsOf(folder: string, options: ExperimentOptions): ExperimentFacts {
  const { kind, name, seed, targets, run, worker, commandLine } = options;
  return {
    format: 'iluvatar.experiment',
    version: 1,
    kind,
    name: name ?? folder.split('/').filter(Boolean).at(-1) ?? folder,
    state: 'running',
    error: null,
    pid: process.pid,
    table: { name: loadTable.name, version: loadTable.version },
    versions: versions(),
    machine: machineFacts(),
    git: gitFacts(process.cwd()),
    seed,
    targets,
    commandLine: commandLine ?? process.argv.slice(2),
    run,
    worker: worker ?? null,
    begin: moment(),
    end: null,
    notes: {},
    files: [],
  };
}

/** Both clocks: what happened elsewhere is found by the first, lengths of time are told by the second, which nobody sets. */
function moment(monotonicUs?: number): { wall: string; unixUs: number; monotonicUs: number } {
  const now = Number(process.hrtime.bigint() / 1000n);
  const at = monotonicUs ?? now;
  const unixUs = Math.round((performance.timeOrigin + performance.now()) * 1000) + (at - now);
  return { wall: new Date(unixUs / 1000).toISOString(), unixUs, monotonicUs: at };
}
