import { setImmediate as turn } from 'node:timers/promises';
import type { Alarm, Alarms } from '../../backends/simulated/alarms.js';
import type { Arrivals } from '../arrivals/arrivals.js';
import { Calls, type CallsParts } from './calls.js';
import type { Driver } from './driver.js';
import type { OverLimit } from './over-limits.js';

export interface OpenLoopOptions {
  readonly maxInFlight: number;
  readonly overLimit: OverLimit;
}

/** Sends so many that are due before it looks what has come in: a generator that is behind must not stop to read answers. */
const SENDS_A_TURN = 64;

/**
 * Open loop: invocations are sent when they are due, whatever has become of those before. Where that cannot be (the limit of invocations in flight, a generator that is
 * behind), latency counts from when they were due all the same: a target that stalls is seen by all who would have come meanwhile (Tene, "How NOT to Measure Latency",
 * 2013, on coordinated omission; Schroeder et al., "Open Versus Closed", NSDI 2006).
 */
export class OpenLoop implements Driver {
  readonly #arrivals: Arrivals;
  readonly #options: OpenLoopOptions;
  readonly #parts: CallsParts;
  readonly #alarms: Alarms;
  readonly #calls: Calls;
  #stopped = false;
  #waiting: { readonly alarm: Alarm; readonly go: () => void } | null = null;

  constructor(arrivals: Arrivals, options: OpenLoopOptions, parts: CallsParts, alarms: Alarms) {
    this.#arrivals = arrivals;
    this.#options = options;
    this.#parts = parts;
    this.#alarms = alarms;
    this.#calls = new Calls(parts);
  }

  get inFlight(): number {
    return this.#calls.inFlight;
  }

  async run(): Promise<void> {
    let inTurn = 0;
    sending: for await (const { count, atUs, fn } of this.#arrivals.arrivals()) {
      for (let i = 0; i < count; i++) {
        if (this.#stopped) break sending;
        const dueUs = atUs[i] as number;
        const waitUs = dueUs - this.#parts.clock.now();
        if (waitUs > 0) {
          await this.#until(waitUs);
          inTurn = 0;
        } else if (++inTurn === SENDS_A_TURN) {
          await turn();
          inTurn = 0;
        }
        if (this.#stopped) break sending;
        await this.#send(fn[i] as number, dueUs);
      }
    }
    while (this.#calls.inFlight > 0) await this.#calls.oneEnded();
  }

  stop(): void {
    this.#stopped = true;
    if (this.#waiting === null) return;
    this.#alarms.cancel(this.#waiting.alarm);
    this.#waiting.go();
  }

  giveUp(why: string): void {
    this.stop();
    this.#calls.giveUp(why);
  }

  #send(fn: number, dueUs: number): Promise<void> | undefined {
    const { maxInFlight, overLimit } = this.#options;
    if (this.#calls.inFlight < maxInFlight) {
      this.#calls.send(fn, dueUs, -1, false, null);
      return undefined;
    }
    if (overLimit === 'wait') return this.#sendOnceFree(fn, dueUs);
    this.#calls.notSent(fn, dueUs, -1, `not sent: ${maxInFlight} invocations were in flight, the limit of this load`);
    return undefined;
  }

  async #sendOnceFree(fn: number, dueUs: number): Promise<void> {
    while (this.#calls.inFlight >= this.#options.maxInFlight && !this.#stopped) await this.#calls.oneEnded();
    if (this.#stopped) this.#calls.notSent(fn, dueUs, -1, 'not sent: the load ended before there was room for it');
    else this.#calls.send(fn, dueUs, -1, true, null);
  }

  #until(us: number): Promise<void> {
    return new Promise((resolve) => {
      const go = (): void => {
        this.#waiting = null;
        resolve();
      };
      this.#waiting = { alarm: this.#alarms.after(us, go), go };
    });
  }
}
