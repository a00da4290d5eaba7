import { LineChild } from '../children/line-child.js';
import { LineSplitter } from '../children/line-splitter.js';
import { readingOf } from './jetson-reading.js';
import type { JetsonListener, JetsonSource } from './jetson-source.js';
import { TegrastatsParser } from './tegrastats-parser.js';

/**
 * Asks tegrastats, which runs beside us for as long as we do. One that says nothing, or nothing that is understood, for several intervals is killed and started again; so is one that floods us, before
 * its lines keep this thread from its work.
 */
export interface TegrastatsSourceOptions {
  /** The program and what it is given before `--interval`; a name is looked for on PATH. */
  readonly command: readonly [string, ...string[]];
  readonly intervalMs: number;
  /** Silent or not understood for so many intervals = it hangs. */
  readonly stallIntervals: number;
  readonly restart?: { readonly firstMs: number; readonly longestMs: number; readonly settledMs: number };
}

/** What a board with many cores says is 1 KiB. */
const MOST_BYTES_AN_INTERVAL = 256 * 1024;
/** One that is slow to start, or a machine that is, is no flood. */
const LEAST_WINDOW_US = 1_000_000;

const CAUSES = { missing: 'error', forbidden: 'error', condemned: 'error', ended: 'exit', stalled: 'hang' } as const;

export class TegrastatsSource implements JetsonSource {
  readonly name = 'tegrastats';
  readonly #options: TegrastatsSourceOptions;
  readonly #child: LineChild;
  #parser = new TegrastatsParser();
  #splitter: LineSplitter | null = null;
  #listener: JetsonListener | null = null;
  #readings = 0;
  #oddBefore = 0;
  #understoodUs = 0;
  #windowUs = 0;
  #windowBytes = 0;

  constructor(options: TegrastatsSourceOptions) {
    const { command, intervalMs, stallIntervals, restart } = options;
    const [program, ...args] = command;
    this.#options = options;
    this.#child = new LineChild({
      program,
      args: [...args, '--interval', String(intervalMs)],
      stallMs: intervalMs * stallIntervals,
      ...(restart === undefined ? {} : { restart }),
      started: () => this.#begin(),
      output: (chunk, atUs) => this.#take(chunk, atUs),
      failed: ({ cause, message }) => this.#listener?.failed(CAUSES[cause], message),
    });
  }

  get counters(): JetsonSource['counters'] {
    const { foreign, tooLong } = this.#parser.counters;
    return {
      readings: this.#readings,
      odd: this.#oddBefore + foreign + tooLong,
      restarts: Math.max(0, this.#child.starts - 1),
    };
  }

  /** Of the running tegrastats; 0 = there is none. */
  get pid(): number {
    return this.#child.pid;
  }

  start(listener: JetsonListener): void {
    const { line } = listener;
    this.#listener = listener;
    if (line !== undefined) this.#splitter = new LineSplitter((text, atUs) => line.call(listener, text, atUs));
    this.#child.start();
  }

  async stop(): Promise<void> {
    await this.#child.stop();
  }

  #begin(): void {
    const { foreign, tooLong } = this.#parser.counters;
    this.#oddBefore += foreign + tooLong;
    // What its predecessor left unfinished is not the beginning of its first line.
    this.#parser = new TegrastatsParser();
    this.#splitter?.reset();
    this.#understoodUs = performance.now() * 1000;
    this.#windowBytes = 0;
  }

  #take(chunk: Buffer, atUs: number): void {
    const { intervalMs, stallIntervals } = this.#options;
    if (this.#floods(chunk.length, atUs)) {
      this.#child.condemn('it writes far more than tegrastats does');
      return;
    }
    this.#splitter?.push(chunk, atUs);
    // Of several lines that come at once, the last is what holds now; the others came late.
    const reading = this.#parser
      .push(chunk)
      .map((sample) => readingOf(sample, atUs))
      .findLast((one) => one !== null);
    if (reading !== undefined && reading !== null) {
      this.#readings++;
      this.#understoodUs = atUs;
      this.#listener?.reading(reading);
    } else if (atUs - this.#understoodUs > 1000 * intervalMs * Math.max(3, stallIntervals)) {
      this.#child.condemn('nothing of what it writes is understood');
    }
  }

  #floods(bytes: number, atUs: number): boolean {
    if (atUs - this.#windowUs > Math.max(LEAST_WINDOW_US, 1000 * this.#options.intervalMs)) {
      this.#windowUs = atUs;
      this.#windowBytes = 0;
    }
    this.#windowBytes += bytes;
    return this.#windowBytes > MOST_BYTES_AN_INTERVAL;
  }
}
