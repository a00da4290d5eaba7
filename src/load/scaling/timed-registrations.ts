import type { LoadFunction, LoadTarget } from '../target.js';

export interface Registration {
  readonly name: string;
  readonly version: string;
  readonly durationUs: number;
  /** Null = it went well. */
  readonly error: string | null;
}

/** A target whose registrations are measured. */
export class TimedRegistrations implements LoadTarget {
  readonly address: string;
  readonly invoke: LoadTarget['invoke'];
  readonly prewarm: LoadTarget['prewarm'];
  readonly clean: LoadTarget['clean'];
  readonly close: LoadTarget['close'];
  readonly registrations: Registration[] = [];
  readonly #target: LoadTarget;

  constructor(target: LoadTarget) {
    this.#target = target;
    this.address = target.address;
    this.invoke = target.invoke.bind(target);
    this.prewarm = target.prewarm.bind(target);
    this.clean = target.clean.bind(target);
    this.close = target.close.bind(target);
  }

  async register(fn: LoadFunction): Promise<void> {
    const { name, version = '1' } = fn.definition;
    const beganAt = performance.now();
    const took = (error: string | null): void => {
      const durationUs = Math.round((performance.now() - beganAt) * 1000);
      this.registrations.push({ name, version, durationUs, error });
    };
    try {
      await this.#target.register(fn);
    } catch (error) {
      took((error as Error).message);
      throw error;
    }
    took(null);
  }
}
