import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import type { UpgradeState } from '../../config/api.js';
import { IluvatarError } from '../../core/errors.js';
import { toError } from '../shard-messages.js';
import { SUCCESSOR_VARIABLE, type ToPredecessor, type ToSuccessor } from './succession.js';

/**
 * Replaces a worker's process by a new one, under load: the new process starts, reads its configuration and stands by; this one ends what runs, leaves containers, sockets and the connections of clients with
 * the keeper, and closes its store; the new one takes all of it over. Until it says that it serves, this one can go on where it was.
 */

export interface UpgradeControl {
  /** Resolves when a new process stands by; `state` tells the rest. Rejects with why there is none. `drainMs` null = as configured. */
  begin(drainMs: number | null): Promise<{ pid: number }>;
  readonly state: UpgradeState;
}

export interface UpgradeOptions {
  /** What the new process is started with. */
  readonly command: readonly [program: string, ...args: string[]];
  /** Of the new process, beside this one's environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly drainMs: number;
  readonly readyMs: number;
  /** Makes ready for another process to go on. Rejects with nothing changed. */
  handOver(drainMs: number): Promise<void>;
  /** Goes on after `handOver`. */
  takeBack(): Promise<void>;
  /** The new process serves: before it reports so itself. */
  succeeded(pid: number): void;
  note(line: string): void;
}

export class Upgrade implements UpgradeControl {
  /** Resolves when this process has nothing more to do; rejects when it can neither be replaced nor go on. */
  readonly replaced: Promise<'replaced'>;
  readonly #options: UpgradeOptions;
  #state: UpgradeState['state'] | 'done' = 'none';
  #attempt: Promise<void> = Promise.resolve();
  #successor = 0;
  #reason: string | null = null;
  #end!: (how: 'replaced') => void;
  #lose!: (error: Error) => void;

  constructor(options: UpgradeOptions) {
    this.#options = options;
    this.replaced = new Promise((resolve, reject) => {
      this.#end = resolve;
      this.#lose = reject;
    });
    // Whoever waits for it hears it; nobody may.
    this.replaced.catch(() => undefined);
  }

  get state(): UpgradeState {
    const state = this.#state === 'done' ? 'under way' : this.#state;
    return { pid: process.pid, state, reason: this.#reason };
  }

  /** Resolves when none is under way: whether this process was replaced meanwhile. */
  async settled(): Promise<'replaced' | 'not replaced'> {
    while (this.#state === 'under way') await this.#attempt;
    return this.#state === 'done' ? 'replaced' : 'not replaced';
  }

  /** Of the process that has replaced this one, or is about to; 0 = none. */
  get successor(): number {
    return this.#successor;
  }

  async begin(drainMs: number | null): Promise<{ pid: number }> {
    if (this.#state === 'under way') throw new IluvatarError('conflict', 'an upgrade is under way');
    this.#state = 'under way';
    this.#reason = null;
    const successor = new SuccessorProcess(this.#options);
    this.#successor = successor.pid;
    try {
      await successor.says('standing by', this.#options.readyMs);
    } catch (error) {
      await successor.end();
      this.#failed(error as Error);
      throw error;
    }
    // After the answer is on its way: its connection is one of those that are handed over.
    this.#attempt = pause(ANSWER_MS).then(() => this.#replace(successor, drainMs ?? this.#options.drainMs));
    return { pid: successor.pid };
  }

  async #replace(successor: SuccessorProcess, drainMs: number): Promise<void> {
    const { handOver, succeeded, readyMs, note } = this.#options;
    try {
      await handOver(drainMs);
    } catch (error) {
      await successor.end();
      this.#failed(error as Error);
      return;
    }
    try {
      successor.tell({ type: 'go' });
      await successor.says('serving', readyMs);
    } catch (error) {
      await successor.end();
      await this.#goOn(error as Error);
      return;
    }
    note(`process ${successor.pid} has taken over`);
    this.#state = 'done';
    succeeded(successor.pid);
    successor.tell({ type: 'farewell' });
    successor.release();
    this.#end('replaced');
  }

  async #goOn(why: Error): Promise<void> {
    this.#failed(why);
    try {
      await this.#options.takeBack();
    } catch (error) {
      this.#lose(error as Error);
    }
  }

  #failed({ message }: Error): void {
    this.#state = 'failed';
    this.#reason = message;
    this.#options.note(`the upgrade has failed, and process ${process.pid} goes on: ${message}`);
  }
}

/** An answer is written within a turn of the loop of the thread that gives it. */
const ANSWER_MS = 50;

/** The new process as the old one sees it. */
class SuccessorProcess {
  readonly #child: ChildProcess;
  readonly #said: ToPredecessor[] = [];
  #ended: Error | null = null;
  #changed: () => void = () => {};

  constructor({ command: [program, ...args], environment }: UpgradeOptions) {
    const env = { ...process.env, ...environment, [SUCCESSOR_VARIABLE]: `${process.pid}` };
    const child = spawn(program, args, { env, stdio: ['inherit', 'inherit', 'inherit', 'ipc'], detached: true });
    this.#child = child;
    child.on('message', (message: ToPredecessor) => {
      this.#said.push(message);
      this.#changed();
    });
    const ended = (how: string): void => {
      this.#ended ??= new IluvatarError('unavailable', `the new process ${how}`);
      this.#changed();
    };
    child.on('error', (error) => ended(`could not be started: ${error.message}`));
    child.on('exit', (code, signal) =>
      ended(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`),
    );
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  tell(message: ToSuccessor): void {
    if (this.#child.connected) this.#child.send(message);
  }

  /** Rejects with what it says instead, or how it ends. */
  says(type: 'standing by' | 'serving', limitMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (settled: () => void): void => {
        clearTimeout(late);
        this.#changed = () => {};
        settled();
      };
      const late = setTimeout(() => {
        settle(() => reject(new IluvatarError('unavailable', `the new process was not ${type} within ${limitMs} ms`)));
      }, limitMs);
      this.#changed = () => {
        const failed = this.#said.find((message) => message.type === 'failed');
        if (failed !== undefined) settle(() => reject(toError(failed.error)));
        else if (this.#said.some((message) => message.type === type)) settle(resolve);
        else if (this.#ended !== null) settle(() => reject(this.#ended));
      };
      this.#changed();
    });
  }

  /** It goes on without this process. */
  release(): void {
    if (this.#child.connected) this.#child.disconnect();
    this.#child.unref();
  }

  /** Resolves when it has ended: two that serve would be one too many. */
  async end(): Promise<void> {
    while (this.#ended === null) {
      const ended = new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
      this.#child.kill('SIGKILL');
      await ended;
    }
  }
}
