import * as z from 'zod';
import { type FunctionDefinition, functionDefinitionSchema } from '../config/function-definition.js';
import { failpoint } from '../failpoints.js';
import type { Store, Table } from '../store/store.js';
import type { Log } from '../telemetry/logs/log.js';

/** A registration as the worker's next start, or a shard after this one, makes it again. */
export interface KeptFunction {
  readonly definition: FunctionDefinition;
  /** By backend: what takes the place of `definition.source`, which may be gone, as an upload is. Each has its own: one keeps code, another a description. */
  readonly sources: Readonly<Record<string, string | null>>;
}

/** As it lies in the store. */
interface KeptEntry extends KeptFunction {
  /** Its place among the others: they are registered again, and listed, in the order in which they were. */
  readonly place: number;
}

const keptSchema = z.object({
  place: z.number(),
  definition: functionDefinitionSchema,
  sources: z.record(z.string(), z.string().nullable()),
});

/** Registrations in the store, which decides what is registered after a restart. Keys are `name@version`. */
export class KeptFunctions {
  readonly #store: Store;
  readonly #table: Table<KeptEntry>;
  readonly #log: Log;
  #lastPlace = 0;

  constructor(store: Store, log: Log) {
    this.#store = store;
    this.#table = store.table('functions');
    this.#log = log;
    for (const [, { place }] of this.#table.entries()) if (place > this.#lastPlace) this.#lastPlace = place;
  }

  /** Read with today's schema: options that came since have their defaults. What it refuses stays in the store and is said. */
  all(): KeptFunction[] {
    const kept: KeptEntry[] = [];
    for (const [key, value] of this.#table.entries()) {
      const parsed = keptSchema.safeParse(value);
      if (parsed.success) kept.push(parsed.data);
      else
        this.#log.error(
          { function: key, reason: z.prettifyError(parsed.error) },
          'a kept function is not understood, and not registered',
        );
    }
    return kept.sort((a, b) => a.place - b.place);
  }

  has(key: string): boolean {
    return this.#table.get(key) !== undefined;
  }

  /** Rejects, with what was there before, when it could not be made durable. */
  async keep(key: string, kept: KeptFunction): Promise<void> {
    failpoint('register.intended');
    await this.#change(key, () => this.#table.put(key, { ...kept, place: ++this.#lastPlace }));
    failpoint('register.kept');
  }

  /** The same. */
  async forget(key: string): Promise<void> {
    failpoint('unregister.intended');
    await this.#change(key, () => this.#table.remove(key));
    failpoint('unregister.forgotten');
  }

  async #change(key: string, change: () => void): Promise<void> {
    const before = this.#table.get(key);
    change();
    try {
      await this.#store.durable();
    } catch (error) {
      // What could not be promised must not become true when the disk has room again.
      if (before === undefined) this.#table.remove(key);
      else this.#table.put(key, before);
      throw error;
    }
  }
}
