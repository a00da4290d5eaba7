import { closeAll } from '../../backends/kept.js';
import type { WorkerConfig } from '../../config/schema.js';
import { IluvatarError } from '../../core/errors.js';
import { type Held, Keeper } from '../../keeper/keeper.js';
import { native } from '../../native.js';
import type { HandedOver } from '../../server/hand-over.js';
import type { Log } from '../../telemetry/logs/log.js';
import type { InheritedSockets } from '../daemon/inherited-sockets.js';
import { keepListening } from '../daemon/left-sockets.js';
import { keeperPath } from './keeper-path.js';
import { type KeptEntry, parseEntry } from './kept-entry.js';
import { RunMarks } from './run-marks.js';

/**
 * What a shard has given into the keeper's hands, so that it outlives the shard and its process: its containers, and the marks of what they run. Without a keeper nothing is kept; the worker works all the
 * same, and health says so.
 */

const MARKS = 'marks';
const CONTAINER = 'container ';
const CLIENT = 'client ';
const HANDLES = 'handles ';
/** Far below what a text may hold. */
const HANDLES_EACH = 200;
const RETRY_MS = 1_000;

/** What an earlier process has left. */
export interface Left {
  readonly containers: LeftContainer[];
  /** Connections of clients, and what the edges know of them; the descriptors are the receiver's. */
  readonly clients: HandedOver[];
  /** By which number those clients know which function. */
  readonly handles: ReadonlyMap<string, number>;
}

/** A container that an earlier process has left. */
export interface LeftContainer {
  /** `<worker>/<container>` */
  readonly name: string;
  /** null = not understood. */
  readonly entry: KeptEntry | null;
  /** Whoever takes it over closes them. */
  readonly fds: readonly number[];
  /** Invocations that it was running. */
  readonly running: number;
}

const NOTHING: Left = { containers: [], clients: [], handles: new Map() };

export interface HoldingsOptions {
  readonly config: WorkerConfig;
  readonly log: Log;
  /** The keeper is another one: everything that is to be kept is to be given again. */
  readonly again: () => void;
}

export class Holdings {
  readonly marks: RunMarks;
  readonly #options: HoldingsOptions;
  readonly #path: string;
  #keeper: Keeper | null = null;
  /** One is to be had, and none is there: a worker that has nothing to keep needs none. */
  #wanted = false;
  #starting: Promise<void> | null = null;
  #trouble: string | null = null;
  #retry: NodeJS.Timeout | null = null;

  constructor(options: HoldingsOptions) {
    this.#options = options;
    this.#path = keeperPath(options.config);
    this.marks = new RunMarks();
  }

  get active(): boolean {
    return this.#wanted || this.#keeper !== null;
  }

  /** What was left. Under `recovery.mode` "clean" it is let go, and nothing is kept. Never rejects. */
  async open(): Promise<Left> {
    const { config, log } = this.#options;
    try {
      if (config.recovery.mode === 'clean') {
        await (await Keeper.find({ path: this.#path, log }))?.quit();
        return NOTHING;
      }
      this.marks.use(new Uint8Array(RunMarks.COUNT));
      this.#wanted = true;
      const keeper = await Keeper.find({ path: this.#path, log });
      if (keeper === null) return NOTHING;
      const held = await keeper.list();
      const marks = held.find(({ key }) => key === MARKS)?.fds[0];
      if (marks !== undefined) this.marks.use(native().keeper.mapMarks(marks));
      this.#use(keeper);
      if (marks === undefined) this.#keepMarks(keeper);
      return this.#sort(keeper, held);
    } catch (error) {
      this.#trouble = (error as Error).message;
      log.warn({ err: error }, 'there is no keeper: warm containers will not outlive this worker');
      return NOTHING;
    }
  }

  /** Where there is no keeper yet, it is asked for once more when there is (`again`). */
  keep(name: string, text: string, fds: readonly number[]): void {
    if (this.#keeper === null) this.begin().catch(() => undefined);
    else this.#keeper.hold(CONTAINER + name, text, fds);
  }

  drop(name: string): void {
    this.#keeper?.drop(CONTAINER + name);
  }

  /**
   * For the process that takes this one's place: its clients, and how they call functions. Resolves when it has them. Rejects with `unavailable` when nobody keeps
   * them.
   */
  async keepClients(
    clients: readonly HandedOver[],
    handles: ReadonlyMap<string, number>,
    listening: InheritedSockets,
  ): Promise<void> {
    const keeper = this.#keeper;
    if (keeper === null) throw new IluvatarError('unavailable', 'there is no keeper to leave anything with');
    for (const [index, { edge, fd, state }] of clients.entries()) {
      keeper.hold(`${CLIENT}${index}`, JSON.stringify({ edge, state }), [fd]);
    }
    const entries = [...handles];
    for (let at = 0; at < entries.length; at += HANDLES_EACH) {
      keeper.hold(`${HANDLES}${at}`, JSON.stringify(entries.slice(at, at + HANDLES_EACH)), []);
    }
    keepListening(keeper, listening);
    // With the kernel is not enough: the next process asks on a connection of its own, and might be heard before this one.
    await keeper.settled();
    closeAll(clients.map(({ fd }) => fd));
  }

  /** For health. */
  notes(): string[] {
    return this.#trouble === null ? [] : [`warm containers do not outlive this worker: ${this.#trouble}`];
  }

  /** Everything was removed in order, or is handed over by name: `quit` ends the keeper and lets go what it still has. */
  async close(quit: boolean): Promise<void> {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#wanted = false;
    await this.#starting?.catch(() => undefined);
    const keeper = this.#keeper;
    this.#keeper = null;
    try {
      if (quit) await keeper?.quit();
      else await keeper?.flush();
    } catch (error) {
      this.#options.log.warn({ err: error }, 'the keeper does not end as it should');
    }
    keeper?.close();
  }

  #use(keeper: Keeper): void {
    const { log } = this.#options;
    this.#keeper = keeper;
    this.#trouble = null;
    keeper.onLost = (reason) => this.#lost(reason);
    keeper.onRefused = (key) =>
      log.warn({ kept: key }, 'the keeper is full: a warm container will not outlive this worker');
  }

  /** The memory is the keeper's and this process's from now on: no descriptor of it stays open here. */
  #keepMarks(keeper: Keeper): void {
    const { fd, bytes } = native().keeper.marks(RunMarks.COUNT);
    this.marks.move(bytes);
    keeper.hold(MARKS, '', [fd]);
    native().system.close(fd);
  }

  /** Resolves when there is a keeper. Rejects when none can be had, which is tried again. */
  begin(): Promise<void> {
    if (this.#keeper !== null) return Promise.resolve();
    this.#starting ??= this.#start().finally(() => {
      this.#starting = null;
    });
    return this.#starting;
  }

  async #start(): Promise<void> {
    const { config, log, again } = this.#options;
    try {
      const keeper = await Keeper.open({ path: this.#path, graceMs: config.recovery.graceMs, log });
      this.#use(keeper);
      this.#keepMarks(keeper);
      again();
    } catch (error) {
      if (this.#trouble === null)
        log.warn({ err: error }, 'there is no keeper: warm containers will not outlive this worker');
      this.#trouble = (error as Error).message;
      this.#beginLater();
      throw error;
    }
  }

  #lost(reason: string): void {
    this.#keeper = null;
    this.#trouble = reason;
    this.#options.log.error({ reason }, 'the keeper is gone; another is started');
    this.begin().catch(() => undefined);
  }

  #beginLater(): void {
    if (!this.#wanted) return;
    this.#retry = setTimeout(() => this.begin().catch(() => undefined), RETRY_MS);
    this.#retry.unref();
  }

  /** What is only for whoever comes next is let go by the keeper: it has come. */
  #sort(keeper: Keeper, held: readonly Held[]): Left {
    const clients: HandedOver[] = [];
    const handles = new Map<string, number>();
    for (const { key, text, fds } of held) {
      if (key.startsWith(CONTAINER)) continue;
      if (!key.startsWith(CLIENT)) closeAll(fds);
      if (key === MARKS) continue;
      keeper.drop(key);
      if (!key.startsWith(CLIENT) && !key.startsWith(HANDLES)) continue;
      if (key.startsWith(CLIENT)) clients.push({ ...JSON.parse(text), fd: fds[0] } as HandedOver);
      else for (const [name, handle] of JSON.parse(text) as [string, number][]) handles.set(name, handle);
    }
    return { containers: held.flatMap((one) => this.#left(one)), clients, handles };
  }

  #left({ key, text, fds }: Held): LeftContainer[] {
    if (!key.startsWith(CONTAINER)) return [];
    const entry = parseEntry(text);
    if (entry !== null) this.marks.claim(entry.mark);
    return [{ name: key.slice(CONTAINER.length), entry, fds, running: this.marks.of(entry?.mark ?? -1) }];
  }
}
