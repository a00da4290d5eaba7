import { OriginalStep } from '../../load/scaling/original-steps.js';
import type { ScalingOutcome, ScalingStep } from '../../load/scaling/run-scaling.js';
import { Experiment } from '../../results/experiment.js';
import type { LoadRow } from '../../results/load-row.js';
import { SummaryBuilder } from '../../results/summary.js';
import type { RowSink } from '../../tables/sink.js';

export interface ScalingFolderOptions {
  readonly folder: string;
  readonly target: string;
  readonly seed: number;
  /** Options of the run; JSON. */
  readonly run: unknown;
  /** `<clients>.json` of each step, as the original writes it. */
  readonly original: boolean;
}

/** The folder of one target: all rows of all steps, how long registrations took, and the original's files where they are wanted. */
export class ScalingFolder implements RowSink<LoadRow> {
  readonly #experiment: Experiment;
  readonly #rows: RowSink<LoadRow>;
  readonly #original: boolean;
  readonly #registrations: Record<number, ScalingStep['registrations']> = {};
  #step: OriginalStep | null = null;

  private constructor(experiment: Experiment, rows: RowSink<LoadRow>, original: boolean) {
    this.#experiment = experiment;
    this.#rows = rows;
    this.#original = original;
  }

  static async create({ folder, target, seed, run, original }: ScalingFolderOptions): Promise<ScalingFolder> {
    const experiment = Experiment.create(folder, { kind: 'scaling', name: target, seed, targets: [target], run });
    return new ScalingFolder(experiment, await experiment.openRows(), original);
  }

  begin(originUs: number): void {
    this.#experiment.begin(originUs);
  }

  stepBegins(clients: number): void {
    if (this.#original) this.#step = new OriginalStep(this.#experiment.path(`${clients}.json`), clients);
  }

  async stepEnded({ clients, registrations }: Pick<ScalingStep, 'clients' | 'registrations'>): Promise<void> {
    this.#registrations[clients] = registrations;
    const step = this.#step;
    this.#step = null;
    await step?.end(registrations);
  }

  row(row: Readonly<LoadRow>): void {
    this.#rows.row(row);
    this.#step?.row(row, this.#experiment.facts.begin.unixUs);
  }

  backlog(): Promise<void> | null {
    return this.#rows.backlog();
  }

  /** Ends the rows; the folder itself is ended by `conclude`. */
  async end(): Promise<void> {
    await this.#step?.end([]);
    this.#step = null;
    await this.#rows.end();
  }

  /** Says how it ended, even where rows cannot be written to their end; that is thrown then. */
  async conclude(outcome: ScalingOutcome | null, error: Error | null): Promise<void> {
    let failure = error;
    try {
      await this.end();
    } catch (cause) {
      failure ??= cause as Error;
    }
    const stopped = outcome?.stopped ?? null;
    const text = failure?.message ?? stopped?.text;
    this.#experiment.note('registrations', this.#registrations);
    this.#experiment.end({
      state:
        failure !== null || stopped?.kind === 'not-written' ? 'failed' : stopped !== null ? 'interrupted' : 'finished',
      ...(text === undefined ? {} : { error: text }),
      summary: outcome?.summary ?? new SummaryBuilder().summary(),
    });
    if (failure !== null && error === null) throw failure;
  }
}
