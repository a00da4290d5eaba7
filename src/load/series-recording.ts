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
  readonly #sink: RowSink<SeriesRow>;
  readonly #recorder: SeriesRecorder;
  #originUs: number | null = null;

  private constructor(sink: RowSink<SeriesRow>, status: NonNullable<LoadTarget['status']>) {
    this.#sink = sink;
    const now = (): number => (this.#originUs === null ? -1 : machineUs() - this.#originUs);
    this.#recorder = new SeriesRecorder({ workers: [{ status }], sink, now });
  }

  /** Null = the target does not say how it is. Rejects with an IluvatarError `unavailable` when the file cannot be made. */
  static async start(experiment: Experiment, target: LoadTarget): Promise<SeriesRecording | null> {
    if (target.status === undefined) return null;
    const sink = await openSink(experiment.path(`${FILES.metrics}/recorded.parquet`), seriesTable);
    return new SeriesRecording(sink, () => (target.status as NonNullable<LoadTarget['status']>)());
  }

  /** The run's clock begins, on the machine's. */
  begin(originUs: number): void {
    this.#originUs = originUs;
  }

  /** The file is whole. Never rejects: the run's own results are worth more than these; what went wrong is returned. */
  async end(): Promise<string | null> {
    const failures: string[] = [];
    const note = (error: unknown): void => void failures.push((error as Error).message);
    await this.#recorder.stop().catch(note);
    await this.#sink.end().catch(note);
    return failures[0] ?? null;
  }
}
