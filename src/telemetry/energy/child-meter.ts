import { LineChild, type LineChildFailure } from '../children/line-child.js';
import { LineSplitter } from '../children/line-splitter.js';
import { type EnergyReading, EnergySourceError } from './energy-source.js';

/** What a source that a program writes has in common with the next: the program, the latest reading, and how old that may be. */
export interface ChildMeterOptions {
  readonly program: string;
  readonly args: readonly string[];
  /** How often it writes; ms. */
  readonly periodMs: number;
  /** How long the first reading may take; ms. */
  readonly startMs: number;
  /** Anything that holds for a process, and not for the one that is started after it, begins anew. */
  started(): void;
  line(line: string, atUs: number): void;
  /** Lines have come, all of one moment: what they say together; null = nothing yet. */
  reading(atUs: number): EnergyReading | null;
  /** Why it failed and what to do about it. */
  explain(failure: LineChildFailure): EnergySourceError;
}

/** Periods without a reading after which the last one is none any more, and the program hangs. */
const STALE_PERIODS = 3;
const STALE_AT_LEAST_MS = 2000;

export class ChildMeter {
  readonly #options: ChildMeterOptions;
  readonly #staleMs: number;
  #child: LineChild | null = null;
  #latest: EnergyReading | null = null;
  #latestUs = 0;

  constructor(options: ChildMeterOptions) {
    this.#options = options;
    this.#staleMs = STALE_AT_LEAST_MS + STALE_PERIODS * options.periodMs;
  }

  /** Resolves with the first reading; throws EnergySourceError, and nothing runs then. */
  async open(): Promise<void> {
    const { program, args, startMs, started, line, reading, explain } = this.#options;
    const splitter = new LineSplitter(line);
    const child = new LineChild({
      program,
      args,
      stallMs: Math.max(this.#staleMs, startMs),
      started: () => {
        splitter.reset();
        started();
      },
      output: (chunk, atUs) => {
        splitter.push(chunk, atUs);
        const latest = reading(atUs);
        if (latest === null) return;
        this.#latest = latest;
        this.#latestUs = atUs;
      },
    });
    this.#child = child;
    child.start();
    const endMs = performance.now() + startMs;
    const waiting = (): boolean => this.#child === child && this.#latest === null && child.failure === null;
    while (waiting() && performance.now() < endMs) {
      await child.heard(endMs - performance.now());
    }
    if (this.#latest !== null) return;
    await this.close();
    throw explain(child.failure ?? { cause: 'stalled', message: `${program} gave no reading within ${startMs} ms` });
  }

  /** The latest, at once. Throws EnergySourceError when that is too old. */
  read(): EnergyReading {
    if (this.#child === null || this.#latest === null) throw new EnergySourceError('failed', 'it is not open');
    const ageMs = performance.now() - this.#latestUs / 1000;
    if (ageMs <= this.#staleMs) return this.#latest;
    const { failure } = this.#child;
    if (failure !== null) throw this.#options.explain(failure);
    throw new EnergySourceError('failed', `the last reading is ${Math.round(ageMs)} ms old`);
  }

  async close(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    this.#latest = null;
    await child?.stop();
  }
}
