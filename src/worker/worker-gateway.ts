import { randomBytes } from 'node:crypto';
import type { MethodName } from '../config/api.js';
import type { Engine } from '../core/engine.js';
import type { ErrorClass, ErrorDetails, InvocationEnergy } from '../core/errors.js';
import { type Device, functionKey } from '../core/function.js';
import type { FunctionRecord } from '../core/function-record.js';
import type { Invocation, InvocationSink, Outcome } from '../core/invocation.js';
import type { Gateway, GatewayResult, GatewaySink } from '../server/gateway.js';
import type { InvocationObserver } from '../telemetry/tracing/invocation-observer.js';
import type { InvocationTrace } from '../telemetry/tracing/invocation-trace.js';
import { settledInvocation } from '../telemetry/tracing/settled-invocation.js';
import { transactionId } from '../transport/frames.js';
import type { Transport } from '../transport/transport.js';
import type { PayloadOwner } from './container-driver.js';
import type { DrivenContainer } from './driven-container.js';
import type { EnergyMeter } from './energy-meter.js';
import { now } from './shard-engine.js';

/**
 * The worker behind its edges. The warm path goes through `invoke` and `settled` here: it makes one small object per invocation, no
 * promise and no closure.
 */

export interface WorkerGatewayOptions {
  engine: Engine;
  transport: Transport;
  call: Gateway['call'];
  /** Told of every accepted invocation, after the engine has taken it. */
  started(): void;
  /** Told of every end, for metrics, the per-invocation log line and the memory sampler. */
  observe(result: GatewayResult, fn: FunctionRecord | null): void;
  /** Follows each from its arrival to its end; null = nothing does. */
  spans: InvocationObserver | null;
  /** Told of each end; null = energy is not read. */
  energy: Pick<EnergyMeter, 'ended'> | null;
}

export class WorkerGateway implements Gateway {
  readonly #engine: Engine;
  readonly #transport: Transport;
  readonly #call: Gateway['call'];
  readonly #started: () => void;
  readonly #observe: WorkerGatewayOptions['observe'];
  readonly #spans: InvocationObserver | null;
  readonly #energy: WorkerGatewayOptions['energy'];
  readonly #handles = new Map<string, number>();
  readonly #functions: (FunctionRecord | null)[] = [null];
  /** By which number clients of an earlier process know functions that are not registered again yet. */
  #known: ReadonlyMap<string, number> = new Map();
  readonly #open = new Map<number, Invocation>();
  readonly #tidPrefix = randomBytes(6).toString('hex');

  constructor(options: WorkerGatewayOptions) {
    this.#engine = options.engine;
    this.#transport = options.transport;
    this.#call = options.call;
    this.#started = options.started;
    this.#observe = options.observe;
    this.#spans = options.spans;
    this.#energy = options.energy;
  }

  /** Gives a registered function its handle. Handles are never used twice, so a stale one can only be `not_found`. */
  publish(fn: FunctionRecord): number {
    const known = this.#known.get(fn.key);
    // Once only: what takes the name later is another function.
    const handle = known !== undefined && this.#functions[known] === null ? known : this.#functions.length;
    this.#functions[handle] = fn;
    this.#handles.set(fn.key, handle);
    return handle;
  }

  /** Clients of an earlier process are taken over, and call functions by these numbers: they mean the same here, and no other function gets one. Before anything is published. */
  adoptHandles(known: ReadonlyMap<string, number>): void {
    this.#known = known;
    const last = Math.max(0, ...known.values());
    while (this.#functions.length <= last) this.#functions.push(null);
  }

  /** All functions have been registered again. */
  forgetHandles(): void {
    this.#known = new Map();
  }

  get handles(): ReadonlyMap<string, number> {
    return this.#handles;
  }

  withdraw(fn: FunctionRecord): void {
    const handle = this.#handles.get(fn.key);
    if (handle === undefined || this.#functions[handle] !== fn) return;
    this.#handles.delete(fn.key);
    this.#functions[handle] = null;
  }

  resolve(name: string, version: string): number {
    return this.#handles.get(functionKey(name, version)) ?? 0;
  }

  timeoutMs(handle: number): number {
    return this.#functions[handle]?.spec.timeoutMs ?? 0;
  }

  invoke(
    handle: number,
    payload: number | Uint8Array | string,
    timeoutMs: number,
    tid: string,
    sink: GatewaySink,
    traceparent = '',
    tracestate = '',
  ): number {
    const fn = this.#functions[handle];
    if (fn === null || fn === undefined) {
      if (typeof payload === 'number') this.drop(payload);
      const refused = new Settlement(
        this,
        tid === '' ? randomBytes(10).toString('hex') : tid,
        0,
        'not_found',
        'no such function is registered on this worker',
        null,
      );
      this.#observe(refused, null);
      sink.settled(refused);
      return 0;
    }
    const trace = this.#spans === null ? null : this.#spans.begin(traceparent, tracestate);
    const running = new RunningInvocation(this, sink, payload, trace);
    const invocation = this.#engine.invoke(fn, null, timeoutMs, tid, running);
    if (running.done) return 0;
    this.#open.set(invocation.id, invocation);
    this.#started();
    return invocation.id;
  }

  abandon(id: number): void {
    const invocation = this.#open.get(id);
    if (invocation !== undefined) this.#engine.abandon(invocation);
  }

  /**
   * The shard's thread is ending by itself: everything that is open is answered, past the engine, which may be what has failed. What a container has been given may
   * have been run.
   */
  abandonAll(reason: string): void {
    for (const invocation of [...this.#open.values()]) {
      const mayHaveRun = invocation.phase === 'running';
      const what = mayHaveRun ? 'it may have run' : 'it has not run';
      const message = `the worker's shard ended (${reason}); ${what}`;
      const details = mayHaveRun ? { mayHaveRun } : null;
      try {
        const outcome = { errorClass: 'unavailable', message, details, payload: null, runUs: 0 } as const;
        invocation.sink.settled(invocation, outcome, now());
      } catch {
        // One caller that cannot be told must not keep the others from it; its connection ends in a moment.
      }
    }
  }

  call(
    method: MethodName,
    params: unknown,
    body: Uint8Array | null,
    progress: (line: string) => void,
  ): Promise<unknown> {
    return this.#call(method, params, body, progress);
  }

  body(payload: number): Buffer {
    return this.#transport.body(payload);
  }

  drop(payload: number): void {
    this.#transport.drop(payload);
  }

  /** The transaction id of an invocation that came without one: unique within this worker's life and, by its random prefix, beyond. */
  tidOf(invocation: number): string {
    return transactionId(this.#tidPrefix, invocation);
  }

  finish(
    sink: GatewaySink,
    invocation: Invocation,
    outcome: Outcome,
    now: number,
    trace: InvocationTrace | null,
  ): void {
    this.#open.delete(invocation.id);
    const { throttledUs = 0 } = outcome;
    const energy = this.#energy === null ? null : this.#energy.ended(invocation, outcome, now);
    // A failure has no phases on most edges.
    const told = outcome.errorClass !== null && (throttledUs > 0 || energy !== null);
    const result = new Settlement(
      this,
      invocation.tid,
      invocation.id,
      outcome.errorClass,
      outcome.message,
      told ? { ...outcome.details, ...beside(throttledUs, energy) } : outcome.details,
    );
    result.payload = outcome.payload as number | Uint8Array | null;
    result.attempts = invocation.attempts;
    result.backend = invocation.container?.backend ?? null;
    result.device = invocation.container === null ? null : invocation.device;
    result.runUs = outcome.runUs;
    result.throttledUs = throttledUs;
    result.energy = energy;
    result.state = invocation.containerState;
    const { enqueuedAt, dispatchedAt, runningAt } = invocation;
    if (dispatchedAt > 0) {
      result.queueUs = dispatchedAt - enqueuedAt;
      if (runningAt > 0) {
        result.startUs = runningAt - dispatchedAt;
        // Two clocks: a run that is all of it may by rounding seem longer.
        result.overheadUs = Math.max(0, now - runningAt - outcome.runUs);
      }
    }
    this.#observe(result, invocation.fn);
    if (this.#spans?.wants(trace) === true) {
      const container = (invocation.container?.handle as DrivenContainer | null | undefined)?.backend?.name ?? '';
      const about = { tid: result.tid, endedAt: now, container, trigger: sink.trigger ?? 'other' };
      this.#spans.settled(trace, settledInvocation(invocation, outcome, about));
    }
    sink.settled(result);
  }
}

function beside(throttledUs: number, energy: InvocationEnergy | null): ErrorDetails {
  return { ...(throttledUs > 0 ? { throttledUs } : {}), ...(energy === null ? {} : { energy }) };
}

/** The engine's view of a caller: keeps the arguments until a container takes them. */
class RunningInvocation implements InvocationSink, PayloadOwner {
  done = false;
  readonly trace: InvocationTrace | null;
  readonly #gateway: WorkerGateway;
  readonly #sink: GatewaySink;
  #payload: number | Uint8Array | string | null;

  constructor(
    gateway: WorkerGateway,
    sink: GatewaySink,
    payload: number | Uint8Array | string,
    trace: InvocationTrace | null,
  ) {
    this.trace = trace;
    this.#gateway = gateway;
    this.#sink = sink;
    this.#payload = payload;
  }

  takePayload(): number | Uint8Array | string | null {
    const payload = this.#payload;
    this.#payload = null;
    return payload;
  }

  settled(invocation: Invocation, outcome: Outcome, now: number): void {
    this.done = true;
    // Never given to a container (refused, timed out or dropped in the queue): the token must not stay in the transport.
    if (typeof this.#payload === 'number') this.#gateway.drop(this.#payload);
    this.#payload = null;
    this.#gateway.finish(this.#sink, invocation, outcome, now, this.trace);
  }
}

class Settlement implements GatewayResult {
  readonly errorClass: ErrorClass | null;
  readonly message: string | null;
  readonly details: ErrorDetails | null;
  payload: number | Uint8Array | null = null;
  queueUs = 0;
  startUs = 0;
  runUs = 0;
  throttledUs = 0;
  energy: InvocationEnergy | null = null;
  overheadUs = 0;
  attempts = 1;
  backend: string | null = null;
  state: 'cold' | 'prewarm' | 'warm' | null = null;
  device: Device | null = null;
  readonly #gateway: WorkerGateway;
  readonly #tid: string;
  readonly #invocation: number;

  constructor(
    gateway: WorkerGateway,
    tid: string,
    invocation: number,
    errorClass: ErrorClass | null,
    message: string | null,
    details: ErrorDetails | null,
  ) {
    this.#gateway = gateway;
    this.#tid = tid;
    this.#invocation = invocation;
    this.errorClass = errorClass;
    this.message = message;
    this.details = details;
  }

  /** Made when asked for: most callers have given their own or do not look. */
  get tid(): string {
    return this.#tid === '' ? this.#gateway.tidOf(this.#invocation) : this.#tid;
  }
}
