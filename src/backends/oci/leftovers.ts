import { IluvatarError } from '../../core/errors.js';
import type { Leftovers } from '../leftovers.js';
import type { OciEngine } from './engine.js';

/** Containers in an engine that carry a worker's mark. Its images stay: they belong to what is registered. */
export class EngineLeftovers implements Leftovers {
  readonly #engine: OciEngine;

  constructor(engine: OciEngine) {
    this.#engine = engine;
  }

  list(): Promise<readonly string[]> {
    return this.#withEngine(async (names) => names.map((name) => `${this.#engine.name} container ${name}`));
  }

  async remove(): Promise<void> {
    await this.#withEngine(async (names) => {
      for (const name of names) await this.#engine.remove(name);
      return [];
    });
  }

  async #withEngine(use: (names: readonly string[]) => Promise<readonly string[]>): Promise<readonly string[]> {
    const engine = this.#engine;
    await engine.start({ exited: () => {}, output: () => {}, back: () => {} });
    try {
      const { healthy, notes } = engine.health();
      if (!healthy) throw new IluvatarError('unavailable', notes[0] ?? `${engine.name} does not answer`);
      return await use(await engine.list());
    } finally {
      await engine.stop();
    }
  }
}
