import { randomBytes } from 'node:crypto';
import type { ContainerFailure } from '../../core/ports.js';
import { failpoint } from '../../failpoints.js';
import { type CgroupEvidence, native } from '../../native.js';
import type { Frame } from '../../transport/frame.js';
import { FrameType } from '../../transport/frames.js';
import type { CloseReason, Connection } from '../../transport/transport.js';
import { AgentContainer } from '../agent/agent-container.js';
import { readExit } from '../agent/exit.js';
import { freePort } from '../agent/http-channel.js';
import type { ContainerEvents } from '../backend.js';
import { runMeterFor } from '../cgroups/run-meter.js';
import type { KeepableContainer } from '../kept.js';
import { keepCell, type ResumedCell } from './adopt.js';
import { type AssignContext, assignCell, openChannel } from './assign.js';
import type { Cell, CellObserver } from './cell.js';
import { type CellWaiter, transient } from './cell-pool.js';
import type { ProcessFunction } from './function.js';
import type { CellSource } from './spawner-slot.js';

/** One container of the process backend: waits for a cell, and turns it into the function's container. */

/** The supervisor and the agent end within moments of each other. */
const LAST_WORD_MS = 1_000;
/** Of an HTTP agent with an address of its own. */
const HTTP_PORT = 8080;

export class ProcessContainer extends AgentContainer implements CellWaiter, CellObserver {
  readonly fn: ProcessFunction;
  /** The process tree it lives in; null while it waits for one. */
  cell: Cell | null = null;
  readonly #env: Readonly<Record<string, string>>;
  readonly #id: number;
  readonly #cells: CellSource;
  readonly #context: AssignContext;
  /** Of an HTTP agent; 0 = it is none. */
  #port = 0;

  constructor(
    fn: ProcessFunction,
    env: Readonly<Record<string, string>>,
    id: number,
    cells: CellSource,
    context: AssignContext,
    events: ContainerEvents,
    startupTimeoutMs = fn.definition.startupTimeoutMs,
  ) {
    const { transport } = context;
    super({ transport, events, startupTimeoutMs, lastWordMs: LAST_WORD_MS });
    this.fn = fn;
    this.#env = env;
    this.#id = id;
    this.#cells = cells;
    this.#context = context;
  }

  get name(): string {
    return `${this.#context.scope}/${this.cell?.name ?? `waiting-${this.#id}`}`;
  }

  /** Asks for a cell. Apart from the constructor because the answer may come from inside. */
  start(): void {
    this.#cells.take(this);
  }

  /** It lives in this cell already, since an earlier process. */
  takeOver({ cell, whole }: ResumedCell, port: number, running: number): void {
    this.#live(cell);
    this.#port = port;
    const { server } = this.fn.definition;
    // An old agent does not say when a run has ended that nobody waits for any more.
    const usable = whole && cell.supervisor !== null && (server === 'framed' ? cell.agent !== null : running === 0);
    this.resume(cell.agent, running);
    if (!usable) {
      this.nonsense('it cannot be taken over');
      return;
    }
    if (cell.agent !== null) cell.agent.handler = this;
    this.channel = openChannel(cell, this.fn.definition, this.#context, port, this);
    this.#measure(cell);
  }

  keepable(): KeepableContainer | null {
    return this.phase === 'ready' && this.cell !== null ? keepCell(this.cell, this.#port) : null;
  }

  granted(cell: Cell): void {
    this.#live(cell);
    this.begun();
    if (this.fn.definition.server !== 'http') this.#assign(0);
    // Alone at its address, any port is free.
    else if (cell.network !== null) this.#assign(HTTP_PORT);
    else
      freePort().then(
        (port) => this.#assign(port),
        (error: Error) => this.fail(transient(error.message)),
      );
  }

  refused(failure: ContainerFailure): void {
    this.fail(failure);
  }

  // Of the agent's connection once the code is loaded.

  override closed(connection: Connection, reason: CloseReason): void {
    if (this.cell !== null) this.cell.agent = null;
    super.closed(connection, reason);
  }

  // Before that, and everything about the supervisor.

  supervisorUp(): void {}

  agentUp(): void {}

  agentFrame(cell: Cell, frame: Frame): void {
    this.loadingFrame(cell.agent, frame);
  }

  supervisorFrame(_cell: Cell, frame: Frame): void {
    if (frame.type === FrameType.log) this.outputFrame(frame);
    else if (frame.type === FrameType.exited) this.exitKnown(readExit(frame));
  }

  supervisorClosed(_cell: Cell, _reason: CloseReason): void {
    this.bodyEnded();
  }

  agentClosed(_cell: Cell, reason: CloseReason): void {
    this.agentEnded(reason);
  }

  spawnFailed(_cell: Cell, failure: ContainerFailure): void {
    this.fail(failure);
  }

  protected override get agentConnected(): boolean {
    return this.cell !== null && this.cell.agent !== null;
  }

  protected override interrupt(requestId: number): void {
    this.cell?.supervisor?.send(FrameType.cancel, 0, 0, requestId, this.#context.killGraceMs, 0, 0, null, null);
  }

  protected override kill(): void {
    this.cell?.close(this.#context.socket);
  }

  protected override async release(): Promise<void> {
    this.#cells.leave(this);
    if (this.cell !== null) await this.#context.reaper.end(this.cell);
    this.#context.gone(this);
  }

  protected override evidence(): CgroupEvidence | null {
    const { layout } = this.#context;
    const dirs = this.cell?.cgroup.dirs ?? [];
    if (dirs.length === 0) return null;
    try {
      return native().cgroup.evidence(dirs, layout.versions as number[]);
    } catch {
      return null;
    }
  }

  #live(cell: Cell): void {
    this.cell = cell;
    cell.observer = this;
  }

  #measure(cell: Cell): void {
    const { layout, limits, cores, cpuTime } = this.#context;
    this.meter = runMeterFor(layout, cell.cgroup.dirs, limits(this.fn.definition), cores, cpuTime);
  }

  #assign(port: number): void {
    if (this.phase !== 'loading' || this.cell === null) return;
    this.#port = port;
    try {
      const seed = randomBytes(16).toString('hex');
      this.channel = assignCell(this.cell, this.fn, this.#env, this.#context, seed, port, this);
      failpoint('process.assigned');
      this.#measure(this.cell);
    } catch (error) {
      this.fail(transient(`the container could not be assigned: ${(error as Error).message}`));
    }
  }
}
