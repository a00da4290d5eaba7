import type { JetsonConfig } from '../../config/sections/jetson.js';
import { IluvatarError } from '../../core/errors.js';
import type { JetsonMonitor } from '../../telemetry/jetson/jetson-monitor.js';
import type { JetsonReading } from '../../telemetry/jetson/jetson-reading.js';
import { action, type CommandHost } from '../command-host.js';
import type { Context } from '../context.js';
import { UsageError } from '../exit-codes.js';
import { parseDuration, parseNumber } from '../parse.js';
import { line, picture } from './watch-view.js';

/** `iluvatar jetson watch`: the board as it is now, on the terminal, as lines, or as JSON; and into or out of a recording. */

interface Options {
  interval?: number;
  source?: string;
  record?: string;
  replay?: string;
  speed: number;
  once?: boolean;
}

const SOURCES = ['auto', 'tegrastats', 'sysfs'];
/** For the first reading, with --once: a tegrastats needs its interval, and time to start. */
const FIRST_READING_MS = 10_000;

export function addJetsonWatchCommand(host: CommandHost): void {
  host
    .add('watch', 'show the load, memory, power, temperatures and throttling of the board until Ctrl-C', [
      'jetson watch',
      'jetson watch --interval 200ms --record board.jsonl',
      'jetson watch --replay board.jsonl --speed 10',
      'jetson watch --once --json | jq .power.totalMw',
    ])
    .option('-i, --interval <duration>', 'between two readings (default: jetson.intervalMs)', parseDuration)
    .option('--source <name>', `whom to ask: ${SOURCES.join(', ')} (default: jetson.source)`)
    .option('--record <file>', 'write all that is read to this file, as JSON lines')
    .option('--replay <file>', 'show this recording, or lines of tegrastats, in place of a board')
    .option('--speed <factor>', 'of a replay', parseNumber, 1)
    .option('--once', 'end after the first reading')
    .action(action((context, options: Options) => watch(context, options)));
}

async function watch(context: Context, options: Options): Promise<void> {
  const { config } = await context.load();
  const [{ detectBoard }, { openJetsonSource }, { ReplaySource }, { RecordingWriter, openRecording }] =
    await Promise.all([
      import('../../telemetry/jetson/board.js'),
      import('../../telemetry/jetson/open-jetson-source.js'),
      import('../../telemetry/jetson/replay-source.js'),
      import('../../telemetry/jetson/recording.js'),
    ]);
  const jetson = settings(config.jetson, options);
  const { intervalMs } = jetson;
  const end = new AbortController();
  const { replay } = options;
  let board = replay === undefined ? detectBoard(jetson.root) : null;
  if (replay !== undefined) board = await openRecording(replay).then(({ head }) => head.board, unreadable);
  const ended = (): void => end.abort();
  const source =
    replay === undefined
      ? openJetsonSource(jetson, board)
      : new ReplaySource({ path: replay, speed: options.speed, loop: false, intervalMs, ended });
  if (source === null) {
    throw new IluvatarError(
      'not_found',
      'this is no Jetson; --replay FILE shows a recorded one, --source asks all the same',
    );
  }
  const recorder = options.record === undefined ? null : new RecordingWriter(options.record, { board, intervalMs });
  await show(context, options, { jetson, board, source, recorder, end });
  if (recorder !== null && !context.json) context.note(`${recorder.entries} entries in ${options.record}`);
}

interface Parts {
  readonly jetson: JetsonConfig;
  readonly board: ConstructorParameters<typeof JetsonMonitor>[0]['board'];
  readonly source: ConstructorParameters<typeof JetsonMonitor>[0]['source'];
  readonly recorder: InstanceType<typeof import('../../telemetry/jetson/recording.js').RecordingWriter> | null;
  readonly end: AbortController;
}

async function show(
  context: Context,
  options: Options,
  { jetson, board, source, recorder, end }: Parts,
): Promise<void> {
  const [{ JetsonMonitor }, { Throttling }, { SystemFiles }] = await Promise.all([
    import('../../telemetry/jetson/jetson-monitor.js'),
    import('../../telemetry/jetson/throttling.js'),
    import('../../telemetry/jetson/system-files.js'),
  ]);
  const screen = new Screen(context.json);
  const raw = source.name === 'sysfs' ? null : recorder;
  let trouble: string | null = null;
  let readings = 0;
  const monitor: JetsonMonitor = new JetsonMonitor({
    board,
    source,
    throttling: options.replay === undefined ? new Throttling(new SystemFiles(jetson.root)) : null,
    intervalMs: jetson.intervalMs,
    smoothing: jetson.smoothing,
    staleMs: jetson.staleMs,
    events: {
      utilization() {},
      unknown() {},
      stale() {},
      throttled() {},
      failed(_cause, message) {
        trouble = message;
        screen.note(message);
      },
      reading(reading: JetsonReading) {
        if (end.signal.aborted) return;
        readings++;
        trouble = null;
        if (raw === null) recorder?.reading(reading);
        // After the monitor has taken it.
        queueMicrotask(() => screen.show({ status: monitor.status(), reading, trouble }));
        if (options.once === true) end.abort();
      },
      ...(raw === null ? {} : { line: (text: string, atUs: number) => raw.line(text, atUs) }),
    },
  });
  const interrupted = (): void => end.abort();
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  const limit = options.once === true ? setTimeout(interrupted, FIRST_READING_MS + 2 * jetson.intervalMs) : null;
  // It is what this program is there for: the monitor's own timers would let it end.
  const alive = setInterval(() => {}, 1 << 30);
  try {
    monitor.start();
    await new Promise((resolve) => {
      if (end.signal.aborted) resolve(null);
      else end.signal.addEventListener('abort', resolve, { once: true });
    });
  } finally {
    clearInterval(alive);
    if (limit !== null) clearTimeout(limit);
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
    await monitor.stop();
    screen.close();
    await recorder?.close();
  }
  if (readings === 0) {
    throw new IluvatarError('unavailable', trouble === null ? 'nothing was read' : `nothing was read: ${trouble}`);
  }
}

/** Where it is shown: JSON lines, lines, or a picture in the same place of a terminal. */
class Screen {
  readonly #json: boolean;
  readonly #drawn: boolean;
  #height = 0;

  constructor(json: boolean) {
    this.#json = json;
    this.#drawn = !json && process.stdout.isTTY === true;
  }

  show(watched: Parameters<typeof picture>[0]): void {
    if (this.#json) {
      const { cpus } = watched.reading;
      process.stdout.write(`${JSON.stringify({ at: new Date().toISOString(), ...watched.status, cpus })}\n`);
    } else if (!this.#drawn) process.stdout.write(`${line(watched, new Date())}\n`);
    else {
      const lines = picture(watched, process.stdout.columns ?? 80);
      const up = this.#height === 0 ? '' : `\x1b[${this.#height}A`;
      process.stdout.write(`${up}${lines.map((text) => `\x1b[2K${text}\n`).join('')}\x1b[0J`);
      this.#height = lines.length;
    }
  }

  /** On a terminal it is part of the picture. */
  note(message: string): void {
    if (!this.#drawn) process.stderr.write(`${message}\n`);
  }

  close(): void {
    if (this.#drawn) process.stdout.write('\x1b[0J');
  }
}

function settings(jetson: JetsonConfig, { interval, source, speed }: Options): JetsonConfig {
  if (source !== undefined && !SOURCES.includes(source)) {
    throw new UsageError(`--source ${source}: must be one of ${SOURCES.join(', ')}`);
  }
  if (interval !== undefined && interval < 10) throw new UsageError('--interval must be at least 10ms');
  if (!(speed > 0)) throw new UsageError('--speed must be above 0');
  return {
    ...jetson,
    intervalMs: interval ?? jetson.intervalMs,
    source: (source ?? jetson.source) as JetsonConfig['source'],
    replay: { ...jetson.replay, file: '' },
  };
}

function unreadable(error: NodeJS.ErrnoException): never {
  throw new IluvatarError(error.code === 'ENOENT' ? 'not_found' : 'invalid', error.message);
}
