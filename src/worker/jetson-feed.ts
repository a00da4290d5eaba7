import type { JetsonStatus } from '../config/jetson-api.js';
import type { WorkerConfig } from '../config/schema.js';
import type { Engine } from '../core/index.js';
import { detectBoard, type JetsonBoard } from '../telemetry/jetson/board.js';
import { JetsonMonitor } from '../telemetry/jetson/jetson-monitor.js';
import { openJetsonSource } from '../telemetry/jetson/open-jetson-source.js';
import { SystemFiles } from '../telemetry/jetson/system-files.js';
import { Throttling } from '../telemetry/jetson/throttling.js';
import { type Log, moduleLog } from '../telemetry/logs/log.js';
import type { ShardSupervision } from './supervision/shard-supervision.js';
import type { Watched } from './supervision/watched.js';

/**
 * A worker's monitor of the Jetson that it runs on: the utilisation of its GPU goes to the engine, everything else to status, health, metrics and the log. When the utilisation is lost, the engine is told
 * what `jetson.staleData` says, and dispatch goes on.
 */
export interface JetsonFeedParts {
  readonly config: WorkerConfig;
  readonly engine: Pick<Engine, 'gpuUtilization'>;
  readonly supervision: ShardSupervision;
  readonly log: Log;
  /** The engine's next deadline may be nearer. */
  deadlines(): void;
}

/** The board's one GPU. */
const GPU = 0;
/** As the pauses of a tegrastats that has to be started again. */
const PAUSES = { firstMs: 500, longestMs: 60_000 };

export class JetsonFeed {
  readonly #parts: JetsonFeedParts;
  readonly #log: Log;
  readonly #watched: Watched;
  readonly #monitor: JetsonMonitor;
  #trouble: string | null = null;
  #assumed = false;

  /** Null = there is no board to watch. */
  static create(parts: JetsonFeedParts): JetsonFeed | null {
    const { jetson } = parts.config;
    const board = detectBoard(jetson.root);
    const source = openJetsonSource(jetson, board);
    if (source === null) return null;
    const throttling = jetson.replay.file === '' ? new Throttling(new SystemFiles(jetson.root)) : null;
    return new JetsonFeed(parts, board, source, throttling?.blind === false ? throttling : null);
  }

  private constructor(
    parts: JetsonFeedParts,
    board: JetsonBoard | null,
    source: NonNullable<ReturnType<typeof openJetsonSource>>,
    throttling: Throttling | null,
  ) {
    const { supervision, log } = parts;
    const { intervalMs, smoothing, staleMs } = parts.config.jetson;
    this.#parts = parts;
    this.#log = moduleLog(log, 'jetson');
    this.#watched = supervision.task('jetson-monitor', PAUSES);
    this.#monitor = new JetsonMonitor({
      board,
      source,
      throttling,
      intervalMs,
      smoothing,
      staleMs,
      events: {
        utilization: (percent) => this.#known(percent),
        unknown: () => this.#unknown(),
        stale: (ageMs) => this.#tellStale(ageMs),
        throttled: (causes) => this.#tellThrottled(causes),
        reading: ({ gpu, memory, totalPower, temperatures }) =>
          this.#log.debug({ gpu, memory, totalPower, temperatures }, 'the board was read'),
        failed: (cause, message) => {
          this.#trouble = message;
          this.#watched.failed(cause, new Error(message));
        },
      },
    });
    this.#log.info({ board, source: source.name }, 'the board is watched');
  }

  start(): void {
    this.#monitor.start();
  }

  /** Resolves when nothing of its source is left. */
  async stop(): Promise<void> {
    this.#watched.set('stopped');
    await this.#monitor.stop();
  }

  status(): JetsonStatus {
    return this.#monitor.status();
  }

  /** For health. */
  notes(): string[] {
    const { throttledBy, stale } = this.#monitor.status();
    const { staleData } = this.#parts.config.jetson;
    const why = this.#trouble === null ? '' : ` (${this.#trouble})`;
    return [
      ...(stale
        ? [`the utilisation of the GPU is not known${why}; dispatch goes by jetson.staleData: ${staleData}`]
        : []),
      ...(throttledBy.length > 0 ? [`the board holds itself back: ${throttledBy.join(', ')}`] : []),
    ];
  }

  #known(percent: number): void {
    this.#watched.running();
    this.#trouble = null;
    this.#assumed = false;
    this.#tell(percent);
  }

  /** What is assumed once is corrected by the engine as invocations come and go; that others use it is said again each time, since a run of ours that ends does not change it. */
  #unknown(): void {
    const { staleData } = this.#parts.config.jetson;
    if (staleData === 'assume-busy') this.#tell(100);
    else if (staleData === 'assume-free' && !this.#assumed) this.#tell(0);
    this.#assumed = true;
  }

  #tell(percent: number): void {
    this.#parts.engine.gpuUtilization(GPU, percent);
    this.#parts.deadlines();
  }

  #tellStale(ageMs: number | null): void {
    const { staleData } = this.#parts.config.jetson;
    if (ageMs === null) this.#log.info({}, 'the utilisation of the GPU is known again');
    else {
      const fields = { ageMs: Math.round(ageMs), staleData, reason: this.#trouble };
      this.#log.warn(fields, 'the utilisation of the GPU is not known any more');
    }
  }

  #tellThrottled(throttledBy: readonly string[]): void {
    if (throttledBy.length > 0) this.#log.warn({ throttledBy }, 'the board holds itself back');
    else this.#log.info({}, 'the board does not hold itself back any more');
  }
}

/** The configuration with the GPU of the board that this is, where it is wanted. */
export function withBoardGpu(config: WorkerConfig): WorkerConfig {
  if (config.jetson.gpu === 'off') return config;
  const board = detectBoard(config.jetson.root);
  if (board === null) return config;
  const { gpu } = config;
  const taken = gpu.count > 0 ? {} : { count: 1, ...(board.memoryMb === null ? {} : { memoryMb: board.memoryMb }) };
  return { ...config, gpu: { ...gpu, ...taken, sharedMemory: true } };
}
