// Not the global of the same name, which is a getter.
import { performance } from 'node:perf_hooks';

/** Further apart than this the wall clock was set, or has drifted from the monotonic one. */
const DRIFT_US = 5000;

/**
 * Times of the engine's clock (`performance.now` of this thread, µs) as time since 1970. Between two looks it moves evenly, so that spans that touch still touch; the wall clock
 * is followed only when it has gone away from it.
 */
export class WallClock {
  #offsetUs = Math.round(performance.timeOrigin * 1000);

  unixUs(engineUs: number): number {
    return engineUs + this.#offsetUs;
  }

  /** To be called now and then. */
  follow(): void {
    const offsetUs = Math.round((Date.now() - performance.now()) * 1000);
    if (Math.abs(offsetUs - this.#offsetUs) > DRIFT_US) this.#offsetUs = offsetUs;
  }
}
