import { IluvatarError } from '../../core/errors.js';
import { describeError, type ShardEnd } from '../shard-messages.js';

/** What an old process and the new one that replaces it say to each other, and the new one's part in it (upgrade.ts has the old one's). */

/** Set for a process that is started to replace another one: that one's process id. */
export const SUCCESSOR_VARIABLE = 'ILUVATAR_SUCCESSOR_OF';

export type ToPredecessor =
  /** All that can be done while the old process serves was done. */
  { type: 'standing by' } | { type: 'serving' } | { type: 'failed'; error: NonNullable<ShardEnd> };

export type ToSuccessor =
  /** Everything is there to be taken over. */
  | { type: 'go' }
  /** The old process serves no more, and the service manager knows. */
  | { type: 'farewell' };

const FAREWELL_LIMIT_MS = 10_000;

export class Predecessor {
  readonly #said = new Set<ToSuccessor['type']>();
  #changed: () => void = () => {};
  #gone = false;

  /** null = this process replaces nobody. The variable is taken out of the environment. */
  static take(environment: Record<string, string | undefined>): Predecessor | null {
    const given = environment[SUCCESSOR_VARIABLE];
    delete environment[SUCCESSOR_VARIABLE];
    return given === undefined || process.send === undefined ? null : new Predecessor();
  }

  private constructor() {
    process.on('message', (message: ToSuccessor) => {
      this.#said.add(message.type);
      this.#changed();
    });
    process.on('disconnect', () => {
      this.#gone = true;
      this.#changed();
    });
  }

  /** Says that this process stands by, and resolves when it is its turn. Rejects with `unavailable` when the old process is gone: what it has left is for whoever starts a worker next. */
  async turn(): Promise<void> {
    this.#tell({ type: 'standing by' });
    await this.#hears('go');
    if (!this.#said.has('go')) throw new IluvatarError('unavailable', 'the process that was to be replaced is gone');
  }

  /** This process serves. Resolves when the old one has heard it and given up its place, or is gone. */
  async served(): Promise<void> {
    this.#tell({ type: 'serving' });
    const late = setTimeout(() => {
      this.#gone = true;
      this.#changed();
    }, FAREWELL_LIMIT_MS);
    await this.#hears('farewell');
    clearTimeout(late);
    if (process.connected) process.disconnect();
  }

  failed(error: unknown): void {
    this.#tell({ type: 'failed', error: describeError(error) });
  }

  #tell(message: ToPredecessor): void {
    if (process.connected) process.send?.(message);
  }

  /** Resolves when it has been said, or cannot be any more. */
  #hears(type: ToSuccessor['type']): Promise<void> {
    return new Promise((resolve) => {
      this.#changed = () => {
        if (this.#said.has(type) || this.#gone) resolve();
      };
      this.#changed();
    });
  }
}
