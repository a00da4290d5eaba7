import { performance } from 'node:perf_hooks';
import { ConcurrencyLimit } from './concurrency-limit.js';

/**
 * One step in the making of containers, with a limit of its own on how many are in it at once: a step that is slow under load (the engine's database,
 * the start of processes) then makes its own queue longer instead of everybody's steps slower. First come, first served.
 */
export class Stage {
  readonly name: string;
  readonly #limit: ConcurrencyLimit;
  /** In the order in which they came. */
  readonly #waiting = new Set<() => void>();
  #running = 0;
  #most = 0;
  #ended = 0;
  #workUs = 0;
  #waitUs = 0;

  /** `limit` = 0: found by trying. */
  constructor(name: string, limit: number) {
    this.name = name;
    this.#limit = new ConcurrencyLimit(limit);
  }

  /** Resolves with what `work` resolves with, once it was its turn. Rejects with the signal's reason when that is aborted before. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const asked = performance.now();
    if (this.#running < this.#limit.limit) this.#enter();
    else await this.#turn(signal);
    const began = performance.now();
    try {
      return await work();
    } finally {
      const tookUs = (performance.now() - began) * 1000;
      this.#ended++;
      this.#workUs += tookUs;
      this.#waitUs += (began - asked) * 1000;
      this.#limit.ended(tookUs, this.#running);
      this.#leave();
    }
  }

  counters(): Record<string, number> {
    const { name } = this;
    return {
      [`${name}Limit`]: this.#limit.limit,
      [`${name}Running`]: this.#running,
      [`${name}Most`]: this.#most,
      [`${name}Waiting`]: this.#waiting.size,
      [`${name}Ended`]: this.#ended,
      [`${name}WorkUs`]: Math.round(this.#workUs),
      [`${name}WaitUs`]: Math.round(this.#waitUs),
    };
  }

  #enter(): void {
    this.#running++;
    this.#most = Math.max(this.#most, this.#running);
  }

  /** Who gives up must not be called in later: nobody would leave again. */
  #turn(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const givenUp = (): void => {
        this.#waiting.delete(called);
        reject((signal as AbortSignal).reason);
      };
      const called = (): void => {
        signal?.removeEventListener('abort', givenUp);
        resolve();
      };
      this.#waiting.add(called);
      signal?.addEventListener('abort', givenUp, { once: true });
    });
  }

  /** Its place goes to who waits longest; a limit that has grown lets in more than one. */
  #leave(): void {
    this.#running--;
    for (const called of this.#waiting) {
      if (this.#running >= this.#limit.limit) return;
      this.#waiting.delete(called);
      this.#enter();
      called();
    }
  }
}

export const STAGES = ['snapshot', 'network', 'create', 'start', 'ready'] as const;
export type StageName = (typeof STAGES)[number];
export type Stages = Readonly<Record<StageName, Stage>>;

export function makeStages(limits: Readonly<Record<StageName, number>>): Stages {
  return Object.fromEntries(STAGES.map((name) => [name, new Stage(name, limits[name])])) as unknown as Stages;
}
