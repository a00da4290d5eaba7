import { Alarms } from '../backends/simulated/alarms.js';
import type { LoadedFunction, RowTaker } from './drivers/calls.js';
import type { Driver } from './drivers/driver.js';
import { GeneratorHealth, type HealthFacts } from './generator-health.js';
import { RunClock } from './run-clock.js';
import type { LoadTarget } from './target.js';
import { driverOf, type Share, type Work } from './work.js';

/** One run of a generator, in this process or several. */
export interface Generator {
  readonly clock: RunClock;
  /** For progress; roughly, when there are several processes. */
  readonly inFlight: number;
  /** Resolves when it could begin at once. Rejects when it never can. */
  prepare(): Promise<void>;
  /** Begins at `originUs` of the machine's clock, and resolves when everything sent has its row. Rejects when a process of the generator fails. */
  run(originUs: number): Promise<void>;
  /** Sends nothing more. */
  stop(): void;
  /** What is in flight is given up; each has a row that says `why`. */
  giveUp(why: string): void;
  facts(): HealthFacts;
}

export interface GeneratorParts {
  readonly work: Work;
  readonly functions: readonly LoadedFunction[];
  readonly target: LoadTarget;
  readonly rows: RowTaker;
  readonly share: Share;
  /** Clients of this step of a scaling run; -1 = none. */
  readonly clients: number;
}

/** Sends from this process. */
export class LocalGenerator implements Generator {
  readonly clock = new RunClock();
  readonly #parts: GeneratorParts;
  readonly #alarms = new Alarms();
  readonly #health = new GeneratorHealth(this.#alarms);
  #driver: Driver | null = null;

  constructor(parts: GeneratorParts) {
    this.#parts = parts;
  }

  get inFlight(): number {
    return this.#driver?.inFlight ?? 0;
  }

  async prepare(): Promise<void> {
    const { work, functions, target, rows, share, clients } = this.#parts;
    const parts = { target, functions, clock: this.clock, rows, health: this.#health, clients };
    this.#driver = await driverOf(work, share, parts, this.#alarms);
  }

  async run(originUs: number): Promise<void> {
    this.clock.begin(originUs);
    this.#health.begin();
    try {
      await this.#driver?.run();
    } finally {
      this.#alarms.stop();
    }
  }

  stop(): void {
    this.#driver?.stop();
  }

  giveUp(why: string): void {
    this.#driver?.giveUp(why);
  }

  facts(): HealthFacts {
    return this.#health.facts();
  }
}
