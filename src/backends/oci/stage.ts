import { performance } from 'node:perf_hooks';
import { ConcurrencyLimit } from './concurrency-limit.js';

/**
 * One step in the making of containers, with a limit of its own on how many are in it at once: a step that is slow under load (the engine's database,
 * the start of processes) then makes its own queue longer instead of everybody's steps slower. First come, first served.
 */
export class Stage {
  readonly name: string;
  readonly #limit: ConcurrencyLimit;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #ended = 0;
  #workUs = 0;
  #waitUs = 0;

  /** `limit` = 0: found by trying. */
  constructor(name: string, limit: number) {
    this.name = name;
    this.#limit = new ConcurrencyLimit(limit);
  }

  /** Resolves with what `work` resolves with, once it was its turn. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const asked = performance.now();
    if (this.#running >= this.#limit.limit) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
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
      [`${name}Waiting`]: this.#waiting.length,
      [`${name}Ended`]: this.#ended,
      [`${name}WorkUs`]: Math.round(this.#workUs),
      [`${name}WaitUs`]: Math.round(this.#waitUs),
    };
  }

  /** Its place goes to who waits longest; a limit that has grown lets in more than one. */
  #leave(): void {
    this.#running--;
    while (this.#running < this.#limit.limit && this.#waiting.length > 0) {
      this.#running++;
      (this.#waiting.shift() as () => void)();
    }
  }
}

export const STAGES = ['snapshot', 'network', 'create', 'start', 'ready'] as const;
export type StageName = (typeof STAGES)[number];
export type Stages = Readonly<Record<StageName, Stage>>;

export function makeStages(limits: Readonly<Record<StageName, number>>): Stages {
  return Object.fromEntries(STAGES.map((name) => [name, new Stage(name, limits[name])])) as unknown as Stages;
}
