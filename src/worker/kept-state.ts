import type { WorkerConfig } from '../config/schema.js';
import { failpoint } from '../failpoints.js';
import type { Store } from '../store/store.js';
import type { Log } from '../telemetry/logs/log.js';
import type { FunctionRegistry } from './function-registry.js';
import { CharacteristicsKeeper } from './kept-characteristics.js';
import { KeptFunctions } from './kept-functions.js';

/** What a shard has in its store of functions: their registrations, and what was learnt of them. */
export class KeptState {
  readonly functions: KeptFunctions;
  readonly characteristics: CharacteristicsKeeper;
  readonly #store: Store;
  readonly #registry: () => FunctionRegistry;
  readonly #log: Log;

  constructor(store: Store, { store: settings }: WorkerConfig, registry: () => FunctionRegistry, log: Log) {
    this.#store = store;
    this.#registry = registry;
    this.#log = log;
    this.functions = new KeptFunctions(store, log);
    this.characteristics = new CharacteristicsKeeper({
      store,
      periodMs: settings.characteristicsMs,
      functions: () => registry().learnt(),
    });
  }

  /** One after the other: each is as much work as a registration. What cannot be made now stays kept, for a start at which it can. */
  async restore(): Promise<void> {
    failpoint('restore.before');
    for (const kept of this.functions.all()) {
      const { name, version } = kept.definition;
      try {
        await this.#registry().restore(kept);
      } catch (error) {
        this.#log.error({ err: error, function: name, version }, 'a function could not be registered again');
      }
    }
    this.characteristics.forgetOthers((key) => this.functions.has(key));
    failpoint('restore.after');
  }

  /** For health. Invocations go on without a store, so it is no reason to be taken out of service. */
  notes(): string[] {
    const { trouble } = this.#store;
    return trouble === null ? [] : [`nothing can be kept: ${trouble}`];
  }
}
