import type { LoadAnswer, LoadCall, LoadFunction, LoadTarget } from '../../../src/load/target.js';

/** A target that does nothing, and remembers what was asked of it. A container is cold once for each `name@version`. */
export class FakeTarget implements LoadTarget {
  readonly address = 'fake';
  readonly registered: LoadFunction[] = [];
  readonly prewarmed: string[] = [];
  readonly invoked: LoadCall[] = [];
  cleaned = 0;
  /** Answers an invocation otherwise than well; null = well. */
  answer: (call: LoadCall) => Partial<LoadAnswer> | null = () => null;
  /** Thrown by a registration; null = it goes well. */
  refusal: (fn: LoadFunction) => Error | null = () => null;
  readonly #warm = new Set<string>();

  async register(fn: LoadFunction): Promise<void> {
    const error = this.refusal(fn);
    if (error !== null) throw error;
    this.registered.push(fn);
  }

  async prewarm(name: string, { version }: { version?: string }): Promise<void> {
    this.prewarmed.push(`${name}@${version}`);
  }

  async invoke(call: LoadCall): Promise<LoadAnswer> {
    this.invoked.push(call);
    const key = `${call.name}@${call.version}`;
    const cold = !this.#warm.has(key);
    this.#warm.add(key);
    // As a real one: never within the turn in which it was asked.
    await new Promise((resolve) => setImmediate(resolve));
    return {
      outcome: 'ok',
      error: '',
      result: JSON.stringify({ body: { cold, start: 1, end: 2, latency: 0.25 } }),
      tid: `t${this.invoked.length}`,
      state: cold ? 'cold' : 'warm',
      queueUs: 10,
      createUs: cold ? 1000 : 0,
      runUs: 300_000,
      cpuUs: 250_000,
      energyUj: 5_000_000,
      attempts: 1,
      worker: 'fake',
      backend: '',
      device: '',
      ...this.answer(call),
    };
  }

  async clean(): Promise<number> {
    return ++this.cleaned;
  }

  async close(): Promise<void> {}
}
