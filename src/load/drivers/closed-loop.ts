import type { Alarms } from '../../backends/simulated/alarms.js';
import { type Random, seededRandom } from '../../core/index.js';
import type { LoadAnswer } from '../target.js';
import { Calls, type CallsParts } from './calls.js';
import type { Driver } from './driver.js';
import type { Thinking } from './thinking.js';

export interface ClosedLoopOptions {
  readonly clients: number;
  /** Number of the first of them: several processes have some each. */
  readonly firstClient: number;
  /** All clients of all processes, over which a ramp is spread. */
  readonly allClients: number;
  /** Between an answer and the next invocation; µs. */
  readonly thinkUs: number;
  readonly thinking: Thinking;
  /** The clients begin one after the other over this time; 0 = together; µs. */
  readonly rampUs: number;
  /** Nothing is sent from this on; µs. Infinity = no end. */
  readonly untilUs: number;
  /** At most so many invocations; Infinity = no end. */
  readonly count: number;
  readonly seed: number;
}

/** Before a client tries again what could not be sent to anybody; it would otherwise do nothing but that; µs. */
const UNAVAILABLE_PAUSE_US = 50_000;

/**
 * Closed loop: each client sends its next invocation when the one before was answered and its think time has passed. It waits with the target: what it measures is
 * throughput, and the latency that so many callers see who wait for each other's answers.
 */
export class ClosedLoop implements Driver {
  readonly #options: ClosedLoopOptions;
  readonly #parts: CallsParts;
  readonly #alarms: Alarms;
  readonly #calls: Calls;
  readonly #randoms: readonly Random[];
  #left: number;
  #active: number;
  #stopped = false;
  #resolve: (() => void) | null = null;

  constructor(options: ClosedLoopOptions, parts: CallsParts, alarms: Alarms) {
    this.#options = options;
    this.#parts = parts;
    this.#alarms = alarms;
    this.#calls = new Calls(parts);
    this.#left = options.count;
    this.#active = options.clients;
    const { clients, firstClient, seed } = options;
    this.#randoms = Array.from({ length: clients }, (_, i) => seededRandom(seed, firstClient + i));
  }

  get inFlight(): number {
    return this.#calls.inFlight;
  }

  run(): Promise<void> {
    const { clients, firstClient, allClients, rampUs } = this.#options;
    return new Promise((resolve) => {
      this.#resolve = resolve;
      if (clients === 0) resolve();
      for (let i = 0; i < clients; i++) this.#next(i, (rampUs * (firstClient + i)) / allClients);
    });
  }

  /** Clients that think go at once. */
  stop(): void {
    this.#stopped = true;
    if (this.#calls.inFlight === 0) this.#resolve?.();
  }

  giveUp(why: string): void {
    this.#stopped = true;
    this.#calls.giveUp(why);
    this.#resolve?.();
  }

  /** Client `i` sends at `dueUs`, or as soon as it can. */
  #next(i: number, dueUs: number): void {
    if (this.#stopped || dueUs >= this.#options.untilUs || this.#left <= 0) {
      this.#leaves();
      return;
    }
    const waitUs = dueUs - this.#parts.clock.now();
    if (waitUs > 0) this.#alarms.after(waitUs, () => this.#send(i, dueUs));
    else this.#send(i, dueUs);
  }

  #send(i: number, dueUs: number): void {
    if (this.#stopped || this.#left <= 0) {
      this.#leaves();
      return;
    }
    this.#left--;
    const client = this.#options.firstClient + i;
    this.#calls.send(client % this.#parts.functions.length, Math.round(dueUs), client, false, (answer) =>
      this.#answered(i, answer),
    );
  }

  #answered(i: number, { outcome }: LoadAnswer): void {
    const now = this.#parts.clock.now();
    if (outcome === 'ok') this.#next(i, now + this.#thinkUs(i));
    else if (outcome === 'unavailable') this.#next(i, now + Math.max(UNAVAILABLE_PAUSE_US, this.#thinkUs(i)));
    // An answer that was never sent anywhere comes at once: without a turn of the event loop nothing else would ever happen.
    else setImmediate(() => this.#next(i, now + this.#thinkUs(i)));
  }

  #thinkUs(i: number): number {
    const { thinkUs, thinking } = this.#options;
    if (thinkUs === 0 || thinking === 'constant') return thinkUs;
    return -Math.log(1 - (this.#randoms[i] as Random)()) * thinkUs;
  }

  #leaves(): void {
    this.#active--;
    if (this.#active === 0 || (this.#stopped && this.#calls.inFlight === 0)) this.#resolve?.();
  }
}
