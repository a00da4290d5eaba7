import type { ErrorClass } from '../../core/errors.js';
import type { ContainerFailure, DestroyReason } from '../../core/ports.js';
import type { CgroupEvidence } from '../../native.js';
import type { Frame } from '../../transport/frame.js';
import { FrameType } from '../../transport/frames.js';
import type { CloseReason, Connection, ConnectionHandler, Transport } from '../../transport/transport.js';
import type { BackendContainer, ContainerEvents, RunRequest } from '../backend.js';
import { NOTHING_READ, type RunMeter, type RunReading } from '../cgroups/run-meter.js';
import type { KeepableContainer } from '../kept.js';
import { failureOf, resultOf } from './answer.js';
import type { AgentChannel, ChannelEvents } from './channel.js';
import { classifyEnd, type Exit } from './exit.js';

/**
 * The life of a container that has an agent in it, whatever it is made of: waits for its parts, becomes ready, moves invocations and their ends,
 * and names the reason when it dies. Idle it costs nothing: no timer, no read.
 *
 * A backend extends it with where the processes are. It says `begun` when there is something to load code into, hands over the agent's connection or an
 * old agent's channel, and reports both ends: `agentEnded` when the connection is gone, `bodyEnded` when the processes are.
 */

const STDERR_TAIL = 4096;

/** `resuming`: its code was loaded under an earlier process, and it has not answered to this one yet. */
type Phase = 'waiting' | 'loading' | 'resuming' | 'ready' | 'ending' | 'ended';

export interface AgentContainerOptions {
  readonly transport: Transport;
  readonly events: ContainerEvents;
  readonly startupTimeoutMs: number;
  /** How long the last word of one end is waited for when the other has ended; ms. */
  readonly lastWordMs: number;
}

export abstract class AgentContainer implements BackendContainer, ConnectionHandler, ChannelEvents {
  abstract readonly name: string;
  abstract keepable(): KeepableContainer | null;
  protected phase: Phase = 'waiting';
  protected channel: AgentChannel | null = null;
  /** null = its cgroup need not be asked. Given before its code is loaded. */
  protected meter: RunMeter | null = null;
  readonly #options: AgentContainerOptions;
  readonly #events: ContainerEvents;
  readonly #running = new Set<number>();
  readonly #cancelled = new Map<number, 'timeout' | 'cancelled'>();
  #doomed: 'timeout' | 'cancelled' | null = null;
  #wasReady = false;
  #agent: Connection | null = null;
  #exit: Exit | null = null;
  #garbage: string | null = null;
  #agentGone = false;
  #bodyGone = false;
  #stderr = '';
  #timer: NodeJS.Timeout | null;
  #destroyed: Promise<void> | null = null;
  /** Results that an earlier process has asked for, and that nobody waits for any more. */
  #orphans = 0;
  #answered = false;

  constructor(options: AgentContainerOptions) {
    this.#options = options;
    this.#events = options.events;
    this.#timer = setTimeout(() => this.#startOverdue(options.startupTimeoutMs), options.startupTimeoutMs);
  }

  /** Tells the agent to give up a run, and kills it after the grace. */
  protected abstract interrupt(requestId: number): void;
  /** Its processes end now. */
  protected abstract kill(): void;
  /** Everything of it goes; called once. Never rejects. */
  protected abstract release(): Promise<void>;
  protected abstract evidence(): CgroupEvidence | null;
  /** Its code is loaded. */
  protected becameReady(): void {}
  /** Its agent has gone: whether the word on how its processes ended is still worth waiting for, asked again and again. */
  protected awaitsExit(_waitedMs: number): boolean {
    return false;
  }
  /** Whether an agent has a connection of its own to end: an old agent's program never has. */
  protected abstract readonly agentConnected: boolean;

  run(request: RunRequest): void {
    this.#running.add(request.requestId);
    this.meter?.began(request.requestId);
    if (this.channel !== null) {
      this.channel.run(request);
      return;
    }
    const agent = this.#agent;
    const { payload, trace = null } = request;
    const meta = trace === null ? null : JSON.stringify(trace);
    if (typeof payload === 'number' && payload !== 0) {
      if (agent === null) this.#options.transport.drop(payload);
      else agent.forward(FrameType.invoke, 0, 0, request.requestId, request.timeoutMs, 0, 0, meta, payload);
    } else {
      const body = typeof payload === 'number' ? null : payload;
      agent?.send(FrameType.invoke, 0, 0, request.requestId, request.timeoutMs, 0, 0, meta, body);
    }
  }

  cancel(requestId: number, reason: 'timeout' | 'cancelled'): void {
    if (!this.#running.has(requestId) || this.#cancelled.has(requestId)) return;
    this.#cancelled.set(requestId, reason);
    this.#doomed = reason;
    this.interrupt(requestId);
  }

  cpuUs(requestId: number): number | null {
    return this.meter === null ? null : this.meter.cpuUs(requestId);
  }

  destroy(_reason: DestroyReason): Promise<void> {
    this.#destroyed ??= this.#release();
    return this.#destroyed;
  }

  // The agent's connection, once the code is loaded: the warm path.

  frame(_connection: Connection, frame: Frame): void {
    if (frame.type === FrameType.result) this.#result(frame);
    else if (frame.type === FrameType.log) this.outputFrame(frame);
    else if (frame.type === FrameType.pong && this.phase === 'resuming') {
      this.#answered = true;
      this.#resumedIfQuiet();
    } else this.nonsense(frame.type === FrameType.error ? frame.meta() : `frame type ${frame.type}`);
  }

  closed(_connection: Connection, reason: CloseReason): void {
    this.agentEnded(reason);
  }

  // An old agent's channel.

  ready(): void {
    if (this.phase === 'loading' || this.phase === 'resuming') this.#becomeReady(Number.POSITIVE_INFINITY);
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
    const result = { requestId, errorClass, message, details: null, payload: body, runUs };
    this.#events.completed({ ...result, ...this.#read(requestId, runUs) });
  }

  broken(reason: string): void {
    this.nonsense(reason);
  }

  // What the backend reports.

  /** There is something that loads the code now. */
  protected begun(): void {
    if (this.phase === 'waiting') this.phase = 'loading';
  }

  /**
   * Its code was loaded under an earlier process. It is asked for a sign of life, and is ready once that and the results of what it was running then have come: one that came
   * later would be believed for another invocation of the same number. An old agent's channel is there already, and says itself when it answers.
   */
  protected resume(agent: Connection | null, running: number): void {
    this.phase = 'resuming';
    if (agent === null) return;
    this.#orphans = running;
    this.#agent = agent;
    agent.send(FrameType.ping, 0, 0, 0, 0, 0, 0, null, null);
  }

  /** What an agent says before its code is loaded. */
  protected loadingFrame(connection: Connection | null, frame: Frame): void {
    if (frame.type === FrameType.ready) this.#loaded(connection, frame);
    else if (frame.type === FrameType.log) this.outputFrame(frame);
    else this.nonsense(`frame type ${frame.type} before its code was loaded`);
  }

  /** A LOG frame of agent or supervisor. */
  protected outputFrame(frame: Frame): void {
    this.output(frame.x0 === 2 ? 'stderr' : 'stdout', frame.body());
  }

  protected output(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    if (stream === 'stderr' && !this.#wasReady) {
      this.#stderr = (this.#stderr + chunk.toString('utf8')).slice(-STDERR_TAIL);
    }
    this.#events.output(stream, chunk);
  }

  protected agentEnded(reason: CloseReason): void {
    this.#agentGone = true;
    if (reason.code.startsWith('ERR_')) this.nonsense(`${reason.code}: ${reason.message}`);
    else this.#ending();
  }

  /** How its processes ended, when that is known before they are gone. */
  protected exitKnown(exit: Exit): void {
    this.#exit = exit;
    this.#ending();
  }

  /** Its processes are gone. */
  protected bodyEnded(): void {
    this.#bodyGone = true;
    this.#ending();
  }

  /** It cannot be trusted any more: everything in it is killed at once. */
  protected nonsense(what: string): void {
    if (this.phase === 'ending' || this.phase === 'ended') return;
    this.#garbage = what;
    this.phase = 'ending';
    this.#finish();
  }

  /** It will not become ready. Told only once nothing of it is left, since its memory is then given to others. */
  protected fail(failure: ContainerFailure): void {
    if (this.#destroyed !== null || this.#wasReady) return;
    this.#destroyed = this.#release();
    void this.#destroyed.then(() => this.#events.failed(failure));
  }

  #loaded(connection: Connection | null, frame: Frame): void {
    // Its reason is better than any exit code, also where the exit was heard of first.
    if (frame.status !== 0 && !this.#wasReady && this.phase !== 'waiting') {
      this.fail(failureOf(frame));
      return;
    }
    // A second READY, or one of an agent that nobody told to load anything.
    if (this.phase !== 'loading') {
      this.nonsense('a second word that its code is loaded');
      return;
    }
    this.#agent = connection;
    if (connection !== null) connection.handler = this;
    this.#becomeReady(frame.x0);
  }

  #becomeReady(loadUs: number): void {
    this.meter?.loaded(loadUs);
    this.phase = 'ready';
    this.#wasReady = true;
    this.#stopTimer();
    this.becameReady();
    this.#events.ready();
  }

  #result(frame: Frame): void {
    const requestId = frame.requestId;
    // Ids are unique per worker, not per container: an answer for somebody else's would be believed.
    if (!this.#running.delete(requestId)) {
      if (this.phase === 'resuming' && this.#orphans > 0) {
        this.#orphans--;
        this.#resumedIfQuiet();
        return;
      }
      this.nonsense(`a result for invocation ${requestId}, which it does not run`);
      return;
    }
    if (this.#cancelled.size > 0) this.#cancelled.delete(requestId);
    this.#events.completed(resultOf(frame, this.#read(requestId, frame.x2)));
  }

  #resumedIfQuiet(): void {
    if (this.#answered && this.#orphans === 0) this.#becomeReady(Number.POSITIVE_INFINITY);
  }

  #read(requestId: number, runUs: number): RunReading {
    return this.meter === null ? NOTHING_READ : this.meter.ended(requestId, runUs);
  }

  /** One side has ended. The other one's last word (exit code, output) is worth a short wait. */
  #ending(): void {
    if (this.phase === 'ended' || this.phase === 'waiting') return;
    if (this.#bodyGone && (this.#agentGone || !this.agentConnected)) {
      this.#finish();
      return;
    }
    if (this.phase === 'ending') return;
    this.phase = 'ending';
    this.#awaitLastWord(0);
  }

  #awaitLastWord(waitedMs: number): void {
    const { lastWordMs } = this.#options;
    this.#stopTimer();
    this.#timer = setTimeout(() => {
      if (!this.#bodyGone && this.awaitsExit(waitedMs + lastWordMs)) this.#awaitLastWord(waitedMs + lastWordMs);
      else this.#finish();
    }, lastWordMs);
  }

  #finish(): void {
    if (this.phase === 'ended') return;
    this.phase = 'ended';
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
      evidence: this.evidence(),
      ready: this.#wasReady,
      cancelled: this.#doomed,
      othersRunning: this.#running.size > 0,
      stderr: this.#stderr,
    });
    this.#running.clear();
    if (this.#wasReady) {
      // Its processes end now, not when the engine gets round to it.
      this.kill();
      this.#events.exited(failure);
    } else this.fail(failure);
  }

  async #release(): Promise<void> {
    this.phase = 'ended';
    this.#stopTimer();
    this.channel?.close();
    this.meter?.close();
    this.meter = null;
    this.#agent = null;
    await this.release();
  }

  #startOverdue(limit: number): void {
    const message =
      this.phase === 'resuming'
        ? `it did not answer within ${limit} ms (recovery.answerMs)`
        : `${this.phase === 'waiting' ? 'no container came free for it' : 'its code was not loaded'} within ${limit} ms (startupTimeoutMs)`;
    this.fail({
      errorClass: 'start_failed',
      message,
      details: this.#stderr === '' ? null : { stderr: this.#stderr },
      transient: false,
    });
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
