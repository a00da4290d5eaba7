import type { Leftovers } from '../../backends/leftovers.js';
import type { WorkerConfig } from '../../config/schema.js';
import { Keeper, type KeeperLog } from '../../keeper/keeper.js';
import { keeperPath } from './keeper-path.js';

/** The keeper of a worker that does not run. With it end the connections of what it holds, and with these the containers of the backend `process`. */
export class KeeperLeftovers implements Leftovers {
  readonly #path: string;
  readonly #log: KeeperLog;

  constructor(config: Pick<WorkerConfig, 'name' | 'dataDir'>, log: KeeperLog) {
    this.#path = keeperPath(config);
    this.#log = log;
  }

  async list(): Promise<readonly string[]> {
    const keeper = await this.#find();
    keeper?.close();
    return keeper === null ? [] : [`keeper ${this.#path}`];
  }

  async remove(): Promise<void> {
    await (await this.#find())?.quit();
  }

  #find(): Promise<Keeper | null> {
    return Keeper.find({ path: this.#path, log: this.#log });
  }
}
