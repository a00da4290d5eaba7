import { randomBytes } from 'node:crypto';
import { type ErrorClass, type ErrorDetails, errorClassOf } from '../../core/errors.js';
import type { ContainerFailure, DestroyReason } from '../../core/ports.js';
import { type CgroupEvidence, native } from '../../native.js';
import { FrameType, RESULT_OUTPUT_CUT } from '../../transport/frames.js';
import type { CloseReason, Connection, ConnectionHandler, Frame } from '../../transport/transport.js';
import type { BackendContainer, ContainerEvents, RunRequest } from '../backend.js';
import { NOTHING_READ, type RunMeter, runMeterFor } from '../cgroups/run-meter.js';
import { type AssignContext, assignCell } from './assign.js';
import type { Cell, CellObserver } from './cell.js';
import { type CellWaiter, transient } from './cell-pool.js';
import type { AgentChannel, ChannelEvents } from './channel.js';
import { classifyEnd, type Exit, readExit } from './exit.js';
import type { ProcessFunction } from './function.js';
import { freePort } from './http-channel.js';
import type { CellSource } from './spawner-slot.js';

/**
 * One container of the process backend: waits for a cell, turns it into the function's container, moves invocations and their ends, and
 * names the reason when it dies. Idle it costs nothing: no timer, no read.
 */

/** How long the supervisor's word is waited for when the agent's connection has ended, and the other way round. */
const LAST_WORD_MS = 1_000;
const STDERR_TAIL = 4096;
/** Of an HTTP agent with an address of its own. */
const HTTP_PORT = 8080;

type Phase = 'waiting' | 'loading' | 'ready' | 'ending' | 'ended';

export class ProcessContainer implements BackendContainer, CellWaiter, CellObserver, ConnectionHandler, ChannelEvents {
  readonly fn: ProcessFunction;
  /** The process tree it lives in; null while it waits for one. */
  cell: Cell | null = null;
  readonly #env: Readonly<Record<string, string>>;
  readonly #id: number;
  readonly #cells: CellSource;
  readonly #context: AssignContext;
  readonly #events: ContainerEvents;
  readonly #running = new Set<number>();
  readonly #cancelled = new Map<number, 'timeout' | 'cancelled'>();
  #doomed: 'timeout' | 'cancelled' | null = null;
  #phase: Phase = 'waiting';
  #wasReady = false;
  #agent: Connection | null = null;
  #channel: AgentChannel | null = null;
  #meter: RunMeter | null = null;
  #exit: Exit | null = null;
  #garbage: string | null = null;
  #agentGone = false;
  #supervisorGone = false;
  #stderr = '';
  #timer: NodeJS.Timeout | null;
  #destroyed: Promise<void> | null = null;

  constructor(
    fn: ProcessFunction,
    env: Readonly<Record<string, string>>,
    id: number,
    cells: CellSource,
    context: AssignContext,
    events: ContainerEvents,
  ) {
    this.fn = fn;
    this.#env = env;
    this.#id = id;
    this.#cells = cells;
    this.#context = context;
    this.#events = events;
    const limit = fn.definition.startupTimeoutMs;
    this.#timer = setTimeout(() => this.#startOverdue(limit), limit);
  }

  get name(): string {
    return `${this.#context.scope}/${this.cell?.name ?? `waiting-${this.#id}`}`;
  }

  /** Asks for a cell. Apart from the constructor because the answer may come from inside. */
  start(): void {
    this.#cells.take(this);
  }

  granted(cell: Cell): void {
    this.cell = cell;
    cell.observer = this;
    this.#phase = 'loading';
    if (this.fn.definition.server !== 'http') this.#assign(0);
    // Alone at its address, any port is free.
    else if (cell.network !== null) this.#assign(HTTP_PORT);
    else
      freePort().then(
        (port) => this.#assign(port),
        (error: Error) => this.#fail(transient(error.message)),
      );
  }

  refused(failure: ContainerFailure): void {
    this.#fail(failure);
  }

  run(request: RunRequest): void {
    this.#running.add(request.requestId);
    if (this.#channel !== null) {
      this.#channel.run(request);
      return;
    }
    const agent = this.#agent;
    const { payload } = request;
    if (typeof payload === 'number' && payload !== 0) {
      if (agent === null) this.#context.transport.drop(payload);
      else agent.forward(FrameType.invoke, 0, 0, request.requestId, request.timeoutMs, 0, 0, null, payload);
    } else {
      const body = typeof payload === 'number' ? null : payload;
      agent?.send(FrameType.invoke, 0, 0, request.requestId, request.timeoutMs, 0, 0, null, body);
    }
  }

  cancel(requestId: number, reason: 'timeout' | 'cancelled'): void {
    if (!this.#running.has(requestId) || this.#cancelled.has(requestId)) return;
    this.#cancelled.set(requestId, reason);
    this.#doomed = reason;
    this.cell?.supervisor?.send(FrameType.cancel, 0, 0, requestId, this.#context.killGraceMs, 0, 0, null, null);
  }

  destroy(_reason: DestroyReason): Promise<void> {
    this.#destroyed ??= this.#release();
    return this.#destroyed;
  }

  // The agent's connection, once the code is loaded: the warm path.

  frame(_connection: Connection, frame: Frame): void {
    if (frame.type === FrameType.result) this.#result(frame);
    else if (frame.type === FrameType.log) this.#output(frame);
    else this.#nonsense(frame.type === FrameType.error ? frame.meta() : `frame type ${frame.type}`);
  }

  closed(_connection: Connection, reason: CloseReason): void {
    if (this.cell !== null) this.cell.agent = null;
    this.#agentEnded(reason);
  }

  // Before that, and everything about the supervisor.

  supervisorUp(): void {}

  agentUp(): void {}

  agentFrame(cell: Cell, frame: Frame): void {
    if (frame.type === FrameType.ready) this.#loaded(cell, frame);
    else if (frame.type === FrameType.log) this.#output(frame);
    else this.#nonsense(`frame type ${frame.type} before its code was loaded`);
  }

  supervisorFrame(_cell: Cell, frame: Frame): void {
    if (frame.type === FrameType.log) this.#output(frame);
    else if (frame.type === FrameType.exited) {
      this.#exit = readExit(frame);
      this.#ending();
    }
  }

  supervisorClosed(_cell: Cell, _reason: CloseReason): void {
    this.#supervisorGone = true;
    this.#ending();
  }

  agentClosed(_cell: Cell, reason: CloseReason): void {
    this.#agentEnded(reason);
  }

  spawnFailed(_cell: Cell, failure: ContainerFailure): void {
    this.#fail(failure);
  }

  // An old agent's channel.

  ready(): void {
    if (this.#phase === 'loading') this.#becomeReady(Number.POSITIVE_INFINITY);
  }

  answered(
    requestId: number,
    errorClass: ErrorClass | null,
    message: string | null,
    body: Uint8Array | null,
    runUs: number,
  ): void {
    if (!this.#running.delete(requestId)) return;
    this.#cancelled.delete(requestId);
    const { throttledUs, overMb } = this.#meter?.ended(runUs) ?? NOTHING_READ;
    this.#events.completed({
      requestId,
      errorClass,
      message,
      details: null,
      payload: body,
      runUs,
      throttledUs,
      overMb,
    });
  }

  broken(reason: string): void {
    this.#nonsense(reason);
  }

  #assign(port: number): void {
    if (this.#phase !== 'loading' || this.cell === null) return;
    try {
      const seed = randomBytes(16).toString('hex');
      this.#channel = assignCell(this.cell, this.fn, this.#env, this.#context, seed, port, this);
      const { layout, limits, cores } = this.#context;
      this.#meter = runMeterFor(layout, this.cell.cgroup.dirs, limits(this.fn.definition), cores);
    } catch (error) {
      this.#fail(transient(`the container could not be assigned: ${(error as Error).message}`));
    }
  }

  #loaded(cell: Cell, frame: Frame): void {
    if (this.#phase !== 'loading') return;
    if (frame.status !== 0) {
      const said = readMeta(frame);
      this.#fail({
        errorClass: errorClassOf(frame.status) ?? 'start_failed',
        message: said?.message ?? 'the code could not be loaded',
        details: said === null ? null : detailsOf(said, 0),
        transient: false,
      });
      return;
    }
    this.#agent = cell.agent;
    if (this.#agent !== null) this.#agent.handler = this;
    this.#becomeReady(frame.x0);
  }

  #becomeReady(loadUs: number): void {
    // What loading was held back for is no invocation's.
    this.#meter?.ended(loadUs);
    this.#phase = 'ready';
    this.#wasReady = true;
    this.#stopTimer();
    this.#events.ready();
  }

  #result(frame: Frame): void {
    const requestId = frame.requestId;
    // Ids are unique per worker, not per container: an answer for somebody else's would be believed.
    if (!this.#running.delete(requestId)) {
      this.#nonsense(`a result for invocation ${requestId}, which it does not run`);
      return;
    }
    if (this.#cancelled.size > 0) this.#cancelled.delete(requestId);
    const said = frame.metaBytes === 0 ? null : readMeta(frame);
    const { throttledUs, overMb } = this.#meter === null ? NOTHING_READ : this.#meter.ended(frame.x2);
    this.#events.completed({
      requestId,
      errorClass: errorClassOf(frame.status),
      message: said?.message ?? null,
      details: said === null ? null : detailsOf(said, frame.flags),
      payload: frame.bodyBytes === 0 ? null : frame.keep(),
      runUs: frame.x2,
      throttledUs,
      overMb,
    });
  }

  #output(frame: Frame): void {
    const chunk = frame.body();
    if (frame.x0 === 2 && !this.#wasReady) this.#stderr = (this.#stderr + chunk.toString('utf8')).slice(-STDERR_TAIL);
    this.#events.output(frame.x0 === 2 ? 'stderr' : 'stdout', chunk);
  }

  #agentEnded(reason: CloseReason): void {
    this.#agentGone = true;
    if (reason.code.startsWith('ERR_')) this.#nonsense(`${reason.code}: ${reason.message}`);
    else this.#ending();
  }

  /** It cannot be trusted any more: everything in it is killed at once. */
  #nonsense(what: string): void {
    if (this.#phase === 'ending' || this.#phase === 'ended') return;
    this.#garbage = what;
    this.#phase = 'ending';
    this.#finish();
  }

  /** One side has ended. The other one's last word (exit code, output) is worth a short wait. */
  #ending(): void {
    if (this.#phase === 'ended' || this.#phase === 'waiting') return;
    // An old agent's program holds the agent's connection without speaking on it.
    const silent = this.cell?.agent === null;
    if (this.#supervisorGone && (this.#agentGone || silent)) {
      this.#finish();
      return;
    }
    if (this.#phase === 'ending') return;
    this.#phase = 'ending';
    this.#stopTimer();
    this.#timer = setTimeout(() => this.#finish(), LAST_WORD_MS);
  }

  #finish(): void {
    if (this.#phase === 'ended') return;
    this.#phase = 'ended';
    this.#stopTimer();
    for (const [requestId, reason] of this.#cancelled) {
      this.#running.delete(requestId);
      const message = reason === 'timeout' ? 'the function did not finish in its time' : 'the invocation was cancelled';
      this.#events.completed({ requestId, errorClass: reason, message, details: null, payload: null, runUs: 0 });
    }
    this.#cancelled.clear();
    const failure = classifyEnd({
      exit: this.#exit,
      garbage: this.#garbage,
      evidence: this.#evidence(),
      ready: this.#wasReady,
      cancelled: this.#doomed,
      othersRunning: this.#running.size > 0,
      stderr: this.#stderr,
    });
    this.#running.clear();
    if (this.#wasReady) {
      // Its processes end now, not when the engine gets round to it.
      this.cell?.close(this.#context.socket);
      this.#events.exited(failure);
    } else this.#fail(failure);
  }

  /** It will not become ready. Told only once nothing of it is left, since its memory is then given to others. */
  #fail(failure: ContainerFailure): void {
    if (this.#destroyed !== null || this.#wasReady) return;
    this.#destroyed = this.#release();
    void this.#destroyed.then(() => this.#events.failed(failure));
  }

  async #release(): Promise<void> {
    this.#phase = 'ended';
    this.#stopTimer();
    this.#cells.leave(this);
    this.#channel?.close();
    this.#meter?.close();
    this.#meter = null;
    this.#agent = null;
    if (this.cell !== null) await this.#context.reaper.end(this.cell);
    this.#context.gone(this);
  }

  #startOverdue(limit: number): void {
    const where = this.#phase === 'waiting' ? 'no container came free for it' : 'its code was not loaded';
    this.#fail({
      errorClass: 'start_failed',
      message: `${where} within ${limit} ms (startupTimeoutMs)`,
      details: this.#stderr === '' ? null : { stderr: this.#stderr },
      transient: false,
    });
  }

  #evidence(): CgroupEvidence | null {
    const { layout } = this.#context;
    const dirs = this.cell?.cgroup.dirs ?? [];
    if (dirs.length === 0) return null;
    try {
      return native().cgroup.evidence(dirs, layout.versions as number[]);
    } catch {
      return null;
    }
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

interface SaidByAgent extends ErrorDetails {
  message?: string;
}

/** null = unreadable: what the agent says beside its answer is not worth failing the answer for. */
function readMeta(frame: Frame): SaidByAgent | null {
  try {
    const said = JSON.parse(frame.meta()) as SaidByAgent;
    return typeof said === 'object' && said !== null ? said : null;
  } catch {
    return null;
  }
}

function detailsOf(said: SaidByAgent, flags: number): ErrorDetails {
  const { traceback, stdout, stderr, evidence } = said;
  return {
    ...(typeof traceback === 'string' ? { traceback } : {}),
    ...(typeof stdout === 'string' ? { stdout } : {}),
    ...(typeof stderr === 'string' ? { stderr } : {}),
    ...(evidence !== undefined ? { evidence } : {}),
    ...((flags & RESULT_OUTPUT_CUT) !== 0 ? { evidence: { ...evidence, outputCut: true } } : {}),
  };
}
