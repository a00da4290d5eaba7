import { setTimeout as pause } from 'node:timers/promises';
import { readingOf } from './jetson-reading.js';
import type { JetsonListener, JetsonSource } from './jetson-source.js';
import { openRecording, type RecordedEntry } from './recording.js';
import { TegrastatsParser } from './tegrastats-parser.js';

/** Plays a recorded board, at its own pace or faster. When it is over it is silent, or begins again. */
export interface ReplaySourceOptions {
  readonly path: string;
  /** 2 = twice as fast; Infinity = without pauses. */
  readonly speed: number;
  readonly loop: boolean;
  /** Of plain files of lines. */
  readonly intervalMs: number;
  /** It is over. */
  ended?(): void;
}

export class ReplaySource implements JetsonSource {
  readonly name = 'replay';
  readonly counters = { readings: 0, odd: 0, restarts: 0 };
  readonly #options: ReplaySourceOptions;
  readonly #stopped = new AbortController();
  readonly #parser = new TegrastatsParser();
  #played: Promise<void> | null = null;

  constructor(options: ReplaySourceOptions) {
    this.#options = options;
  }

  start(listener: JetsonListener): void {
    this.#played = this.#play(listener).catch((error: Error) => {
      if (!this.#stopped.signal.aborted) listener.failed('error', error.message);
    });
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#played;
  }

  async #play(listener: JetsonListener): Promise<void> {
    const { path, speed, loop, intervalMs, ended } = this.#options;
    const { signal } = this.#stopped;
    do {
      const { entries, head } = await openRecording(path, intervalMs);
      const beganUs = performance.now() * 1000;
      let count = 0;
      for await (const entry of entries) {
        const waitMs = (beganUs + entry.atUs / speed - performance.now() * 1000) / 1000;
        // Also where nothing is to be waited for, or a recording without pauses would keep this thread from everything else.
        await pause(Math.max(0, waitMs), undefined, { signal, ref: false });
        this.#give(entry, listener);
        count++;
      }
      if (count === 0) throw new Error(`${path} has nothing to play`);
      await pause(Math.max(1, head.intervalMs / speed), undefined, { signal, ref: false });
    } while (loop);
    ended?.();
  }

  #give(entry: RecordedEntry, listener: JetsonListener): void {
    const atUs = performance.now() * 1000;
    if ('line' in entry) listener.line?.(entry.line, atUs);
    const reading = 'reading' in entry ? { ...entry.reading, atUs } : this.#understood(entry.line, atUs);
    if (reading === null) {
      this.counters.odd++;
      return;
    }
    this.counters.readings++;
    listener.reading(reading);
  }

  #understood(line: string, atUs: number): ReturnType<typeof readingOf> {
    const sample = this.#parser.push(Buffer.from(`${line}\n`, 'latin1')).at(-1);
    return sample === undefined ? null : readingOf(sample, atUs);
  }
}
