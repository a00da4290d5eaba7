import type { EngineEvents, EngineExit } from '../oci/engine.js';
import type { ContainerDetails, ContainerSummary } from './api.js';
import type { DockerClient } from './client.js';
import { ignore } from './error.js';
import type { ContainerOutput } from './output.js';

/**
 * The containers of this worker that Docker has, and how each of them ended, told once: from an event, or, when the daemon was away, from the list of what
 * there is.
 */

/** The last output comes with the exit. */
const LAST_OUTPUT_MS = 1_000;
const SIGNAL_BASE = 128;
const LAST_SIGNAL = 64;
const SIGKILL = 9;

interface Watched {
  readonly name: string;
  readonly id: string;
  readonly output: ContainerOutput;
  started: boolean;
  removing: boolean;
  outOfMemory: boolean;
  told: boolean;
}

export class ExitWatch {
  readonly #client: DockerClient;
  readonly #events: EngineEvents;
  readonly #byName = new Map<string, Watched>();
  readonly #byId = new Map<string, Watched>();

  constructor(client: DockerClient, events: EngineEvents) {
    this.#client = client;
    this.#events = events;
  }

  get size(): number {
    return this.#byName.size;
  }

  add(name: string, id: string, output: ContainerOutput): void {
    const watched = { name, id, output, started: false, removing: false, outOfMemory: false, told: false };
    this.#byName.set(name, watched);
    this.#byId.set(id, watched);
  }

  output(name: string, stream: 'stdout' | 'stderr', chunk: Buffer): void {
    this.#events.output(name, stream, chunk);
  }

  /** From now on an end of it is told. Its id in Docker. Throws an Error for what was never created. */
  starting(name: string): string {
    const watched = this.#byName.get(name);
    if (watched === undefined) throw new Error(`the container ${name} was not created`);
    watched.started = true;
    return watched.id;
  }

  /** The start failed: what becomes of it is no exit. */
  notStarted(name: string): void {
    const watched = this.#byName.get(name);
    if (watched !== undefined) watched.started = false;
  }

  /** Its id in Docker while it runs; null = it does not, or is not known here. */
  runningId(name: string): string | null {
    const watched = this.#byName.get(name);
    return watched?.started === true && !watched.removing && !watched.told ? watched.id : null;
  }

  /** Its id in Docker; null = not known here. */
  removing(name: string): string | null {
    const watched = this.#byName.get(name);
    if (watched === undefined) return null;
    watched.removing = true;
    return watched.id;
  }

  gone(name: string): void {
    const watched = this.#byName.get(name);
    if (watched === undefined) return;
    watched.output.close();
    this.#byName.delete(name);
    this.#byId.delete(watched.id);
  }

  outOfMemory(id: string): void {
    const watched = this.#byId.get(id);
    if (watched !== undefined) watched.outOfMemory = true;
  }

  /** `code`: as the event says it; null = it is gone, and nobody said how. */
  died(id: string, code: number | null): void {
    const watched = this.#byId.get(id);
    if (watched !== undefined) void this.#tell(watched, code);
  }

  /** `list`: asks for all of this worker's containers that there are. What ended unseen is told, and what lives is read again. */
  async catchUp(list: () => Promise<readonly ContainerSummary[]>): Promise<void> {
    // Before: what is started meanwhile may be missing from the list.
    const all = [...this.#byId.values()];
    const states = new Map((await list()).map(({ Id, State }) => [Id, State]));
    await Promise.all(
      all.map((watched) => {
        const state = states.get(watched.id);
        const alive = state !== undefined && !['exited', 'dead', 'removing'].includes(state);
        return alive ? this.#reattach(watched) : this.#tell(watched, null);
      }),
    );
  }

  close(): void {
    for (const { name } of [...this.#byName.values()]) this.gone(name);
  }

  async #reattach({ output, removing }: Watched): Promise<void> {
    if (output.attached || removing) return;
    // One that has ended meanwhile has its event.
    await output.attach().catch(ignore(({ notFound, conflict }) => notFound || conflict));
  }

  async #tell(watched: Watched, code: number | null): Promise<void> {
    if (watched.told || !watched.started) return;
    watched.told = true;
    const exit = await this.#exitOf(watched, code);
    await watched.output.finished(LAST_OUTPUT_MS);
    this.#events.exited(watched.name, exit);
  }

  /** The event has the code alone; whether memory ran out is in the state. Of what is being removed anyway nobody asks. */
  async #exitOf({ id, removing, outOfMemory }: Watched, code: number | null): Promise<EngineExit> {
    if (code !== null && removing) return exitOf(code, outOfMemory);
    // What cannot be asked is taken from the event.
    const details = await this.#client.call<ContainerDetails>('GET', `/containers/${id}/json`).catch(() => null);
    if (details === null) return exitOf(code ?? SIGNAL_BASE + SIGKILL, outOfMemory);
    return exitOf(details.State.ExitCode, outOfMemory || details.State.OOMKilled);
  }
}

/**
 * Docker has one number for both: 128 and the signal for what a signal ended. A program that exits with such a code by itself (as shells do for their
 * children) is taken for one that was killed. Its word that memory ran out comes with an event of its own, which can be late or lost.
 */
export function exitOf(code: number, outOfMemory: boolean): EngineExit {
  const signal = code > SIGNAL_BASE && code <= SIGNAL_BASE + LAST_SIGNAL ? code - SIGNAL_BASE : 0;
  return { code, signal, outOfMemory: outOfMemory || (signal === SIGKILL ? null : false) };
}
