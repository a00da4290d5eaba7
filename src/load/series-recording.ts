import { rmSync } from 'node:fs';
import type { Experiment } from '../results/experiment.js';
import { FILES } from '../results/experiment-facts.js';
import { type SeriesRow, seriesTable } from '../results/series-row.js';
import { openSink } from '../tables/open-sink.js';
import type { RowSink } from '../tables/sink.js';
import { SeriesRecorder } from '../telemetry/series/series-recorder.js';
import { machineUs } from './run-clock.js';
import type { LoadTarget } from './target.js';

/** `metrics/recorded.parquet` of a run: what its target says of itself every second, where it says anything. */
export class SeriesRecording {
  readonly #file: string;
  readonly #sink: RowSink<SeriesRow>;
  readonly #recorder: SeriesRecorder;
  #originUs: number | null = null;

  private constructor(file: string, sink: RowSink<SeriesRow>, status: NonNullable<LoadTarget['status']>) {
    this.#file = file;
    this.#sink = sink;
    const now = (): number => (this.#originUs === null ? -1 : machineUs() - this.#originUs);
    this.#recorder = new SeriesRecorder({ workers: [{ status }], sink, now });
  }

  /** Null = the target does not say how it is. Rejects with an IluvatarError `unavailable` when the file cannot be made. */
  static async start(experiment: Experiment, target: LoadTarget): Promise<SeriesRecording | null> {
    if (target.status === undefined) return null;
    const file = experiment.path(`${FILES.metrics}/recorded.parquet`);
    const sink = await openSink(file, seriesTable);
    return new SeriesRecording(file, sink, () => (target.status as NonNullable<LoadTarget['status']>)());
  }

  /** The run's clock begins, on the machine's. */
  begin(originUs: number): void {
    this.#originUs = originUs;
  }

  /** The file is whole afterwards, or not there: a Parquet file without its end would keep all else from being read. Never rejects: the run's own results are worth more; what went wrong is returned. */
  async end(): Promise<string | null> {
    const failures: string[] = [];
    const note = (error: unknown): void => void failures.push((error as Error).message);
    await this.#recorder.stop().catch(note);
    await this.#sink.end().catch(note);
    if (failures.length > 0) rmSync(this.#file, { force: true });
    return failures[0] ?? null;
  }
}
