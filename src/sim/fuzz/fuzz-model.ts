import { type Container, type ContainerFailure, type Invocation, seededRandom } from '../../core/index.js';
import type { ContainerModel, RunFate } from '../container-model.js';
import type { CreationFault, FuzzCase, FuzzEvent, FuzzFunction, RunPlan } from './fuzz-case.js';

export type Arrival = Extract<FuzzEvent, { kind: 'invoke' }>;

export const LOST_RACE: ContainerFailure = {
  errorClass: 'unavailable',
  message: 'lost a race',
  details: null,
  transient: true,
};
export const BROKEN: ContainerFailure = { errorClass: 'crashed', message: 'broken', details: null, transient: false };

const UNABLE: ContainerFailure = { errorClass: 'unavailable', message: 'not able', details: null, transient: false };

const CREATION_FAULTS: Readonly<Record<CreationFault, ContainerFailure>> = {
  'for now': LOST_RACE,
  'for good': BROKEN,
  'not able': UNABLE,
};

const FATES: Readonly<Record<RunPlan, RunFate | null>> = {
  ok: null,
  user_error: { kind: 'answer', errorClass: 'user_error' },
  out_of_memory: { kind: 'answer', errorClass: 'out_of_memory' },
  crash: { kind: 'exit', failure: BROKEN },
  'crash for now': { kind: 'exit', failure: LOST_RACE },
  silence: { kind: 'silence' },
};

/** A creation's chance is drawn from its function and how many that function had before, so that it stays the same when another function is left out. */
interface Creations {
  readonly fn: FuzzFunction;
  readonly stream: number;
  count: number;
}

/** Containers that behave as a history says: each arrival carries how its run goes, as its payload. */
export class FuzzModel implements ContainerModel {
  readonly #case: FuzzCase;
  /** Invocations that were begun when their time had passed, as sentences. */
  readonly faults: string[] = [];
  /** How creations fail on the backends that are down, by name. */
  readonly down = new Map<string, CreationFault>();
  readonly #functions = new Map<string, Creations>();
  #slow = false;
  #failure: ContainerFailure | null = null;

  constructor(fuzzCase: FuzzCase) {
    this.#case = fuzzCase;
    for (const fn of fuzzCase.functions) {
      // By its name's number, not by its place: the shrinker takes functions out.
      this.#functions.set(fn.spec.name, { fn, stream: Number(fn.spec.name.slice(1)) + 1, count: 0 });
    }
  }

  creationUs(container: Container): number {
    const creations = this.#of(container);
    this.#draw(creations, container.backend);
    return this.#slow ? creations.fn.creationUs * 100 : creations.fn.creationUs;
  }

  /** Of the creation asked about last. */
  creationFailure(): ContainerFailure | null {
    return this.#failure;
  }

  runUs(_container: Container, invocation: Invocation): number {
    if (invocation.runningAt > invocation.deadline) {
      const { id, runningAt, deadline } = invocation;
      this.faults.push(`invocation ${id} begins at ${runningAt}, and its time passed at ${deadline}`);
    }
    return (invocation.payload as Arrival).runUs;
  }

  runFate(_container: Container, invocation: Invocation): RunFate | null {
    return FATES[(invocation.payload as Arrival).plan];
  }

  destructionUs(container: Container): number {
    return this.#of(container).fn.destructionUs;
  }

  #draw(creations: Creations, backend: string): void {
    const { failsForNow, failsForGood, slow } = this.#case.creation;
    this.#slow = false;
    this.#failure = null;
    const number = creations.count++;
    const planned = creations.fn.failing.find(({ from, count }) => number >= from && number < from + count);
    const how = this.down.get(backend) ?? planned?.how;
    if (how !== undefined) {
      this.#failure = CREATION_FAULTS[how];
      return;
    }
    if (failsForNow + failsForGood + slow === 0) return;
    const random = seededRandom(this.#case.seed + number * 2 ** 32, creations.stream);
    const chance = random();
    if (chance < failsForNow) this.#failure = LOST_RACE;
    else if (chance < failsForNow + failsForGood) this.#failure = BROKEN;
    this.#slow = random() < slow;
  }

  #of(container: Container): Creations {
    return this.#functions.get(container.fn.spec.name) as Creations;
  }
}
