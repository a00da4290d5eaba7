import { errorCode, IluvatarError } from '../../core/errors.js';
import type { Frame } from '../../transport/frame.js';
import { FrameType, RESULT_OUTPUT_CUT, RESULT_STATES, transactionId } from '../../transport/frames.js';
import type { CloseReason, Connection, ConnectionHandler } from '../../transport/transport.js';
import type { Gateway, GatewayResult, GatewaySink } from '../gateway.js';
import type { UnixClientState } from '../hand-over.js';

/**
 * One client of the unix socket: the framed protocol (docs/protocol.md). INVOKE is the hot path: with a function handle it reads no meta, parses no JSON, and hands the
 * body over as a token that never enters JavaScript.
 */

/** Metas remembered per connection: clients that name their function send the same text again and again. */
const REMEMBERED_METAS = 256;

interface Target {
  handle: number;
  tid: string;
  traceparent: string;
  tracestate: string;
}

export class UnixClient implements ConnectionHandler {
  /** '' = the client gave none: the worker makes the ids. */
  #tidPrefix = '';
  #greeted = false;
  #peerMaxBody: number | null = null;
  /** CALLs that are not answered. */
  #calls = 0;
  /** To be told when something has been answered; null = it is not on its way to another process. */
  #leaving: ((client: UnixClient) => void) | null = null;
  readonly #connection: Connection;
  readonly #gateway: Gateway;
  readonly #gone: (client: UnixClient) => void;
  readonly #pending = new Map<number, PendingInvocation>();
  readonly #metas = new Map<string, { name: string; version: string }>();

  /** `gone`: its connection has ended. `state`: of a client that was taken over; null = it is to say HELLO. */
  constructor(
    connection: Connection,
    gateway: Gateway,
    gone: (client: UnixClient) => void,
    state: UnixClientState | null = null,
  ) {
    this.#connection = connection;
    this.#gateway = gateway;
    this.#gone = gone;
    if (state === null) return;
    this.#greeted = true;
    this.#tidPrefix = state.tidPrefix;
  }

  get state(): UnixClientState {
    return { tidPrefix: this.#tidPrefix, peerMaxBody: this.#peerMaxBody };
  }

  /** Reads nothing more, but for HELLO and the rest of what has begun, and says so each time something has been answered. */
  leave(answered: (client: UnixClient) => void): void {
    this.#leaving = answered;
    if (this.#greeted) this.#connection.pause();
  }

  /** Goes on as if nothing had been said. */
  stay(): void {
    this.#leaving = null;
    this.#connection.resume();
  }

  /** It waits for answers. */
  get isBusy(): boolean {
    return this.#pending.size > 0 || this.#calls > 0;
  }

  /** The descriptor of a connection on which nothing is in flight, or −1. */
  giveUp(): number {
    if (this.isBusy) return -1;
    // Not known any more once it is given up.
    const { peerMaxBody } = this.#connection;
    this.#peerMaxBody = Number.isFinite(peerMaxBody) ? peerMaxBody : null;
    return this.#connection.detach();
  }

  frame(_connection: Connection, frame: Frame): void {
    switch (frame.type) {
      case FrameType.invoke:
        this.#invoke(frame);
        return;
      case FrameType.cancel:
        this.#cancel(frame.requestId);
        return;
      case FrameType.call:
        this.#call(frame);
        return;
      case FrameType.hello:
        this.#tidPrefix = tidPrefix(frame.meta());
        this.#greeted = true;
        if (this.#leaving !== null) this.#connection.pause();
        return;
      default:
        return;
    }
  }

  closed(_connection: Connection, _reason: CloseReason): void {
    this.#gone(this);
    for (const pending of this.#pending.values()) this.#gateway.abandon(pending.id);
    this.#pending.clear();
  }

  drained(): void {
    if (this.#leaving === null) this.#connection.resume();
  }

  /** An invocation has been answered. */
  settled(requestId: number): void {
    this.#pending.delete(requestId);
    this.#leaving?.(this);
  }

  end(): void {
    this.#connection.close();
    this.closed(this.#connection, { code: 'end', message: '' });
  }

  #invoke(frame: Frame): void {
    const { requestId, x0: timeoutMs } = frame;
    let handle = frame.x1;
    let tid = '';
    let traceparent = '';
    let tracestate = '';
    if (frame.metaBytes > 0) {
      const target = this.#target(frame.meta(), handle);
      if (typeof target === 'string') {
        this.#refuse(FrameType.result, requestId, 'invalid', target);
        return;
      }
      handle = target.handle;
      tid = target.tid;
      traceparent = target.traceparent;
      tracestate = target.tracestate;
    }
    if (this.#pending.has(requestId)) {
      this.#refuse(FrameType.result, requestId, 'invalid', `request ${requestId} is still in flight`);
      return;
    }
    if (tid === '' && this.#tidPrefix !== '') tid = transactionId(this.#tidPrefix, requestId);
    const pending = new PendingInvocation(this, this.#connection, requestId);
    // The handler may settle at once; only what is still open is remembered for CANCEL and disconnection.
    const payload = frame.keep();
    pending.id = this.#gateway.invoke(handle, payload, timeoutMs, tid, pending, traceparent, tracestate);
    if (pending.id !== 0) this.#pending.set(requestId, pending);
  }

  /** The function a meta names, or what is wrong with it. The name's key is remembered, never its handle: functions come and go. */
  #target(meta: string, handle: number): Target | string {
    const known = this.#metas.get(meta);
    if (known !== undefined) {
      return { handle: this.#gateway.resolve(known.name, known.version), tid: '', traceparent: '', tracestate: '' };
    }
    let parsed: Record<'function' | 'version' | 'tid' | 'traceparent' | 'tracestate', unknown>;
    try {
      parsed = JSON.parse(meta) as typeof parsed;
    } catch {
      return 'the meta of INVOKE is not JSON';
    }
    if (parsed === null || typeof parsed !== 'object') return 'the meta of INVOKE is not an object';
    const tid = text(parsed.tid);
    const traceparent = text(parsed.traceparent);
    const trace = { traceparent, tracestate: text(parsed.tracestate) };
    if (parsed.function === undefined) return { handle, tid, ...trace };
    const version = parsed.version ?? '1';
    if (typeof parsed.function !== 'string' || typeof version !== 'string')
      return '"function" and "version" must be strings';
    // What differs from request to request would only fill the memory.
    if (tid === '' && traceparent === '' && this.#metas.size < REMEMBERED_METAS) {
      this.#metas.set(meta, { name: parsed.function, version });
    }
    return { handle: this.#gateway.resolve(parsed.function, version), tid, ...trace };
  }

  #cancel(requestId: number): void {
    const pending = this.#pending.get(requestId);
    if (pending !== undefined) this.#gateway.abandon(pending.id);
  }

  #call(frame: Frame): void {
    const { requestId } = frame;
    const body = frame.bodyBytes > 0 ? frame.body() : null;
    let request: { method?: unknown; params?: unknown };
    try {
      request = JSON.parse(frame.meta()) as typeof request;
    } catch {
      this.#refuse(FrameType.reply, requestId, 'invalid', 'the meta of CALL is not JSON');
      return;
    }
    const progress = (line: string): void => {
      this.#connection.send(
        FrameType.event,
        0,
        0,
        requestId,
        0,
        0,
        0,
        JSON.stringify({ event: 'progress', line }),
        null,
      );
    };
    this.#calls++;
    this.#gateway.call(request?.method as never, request?.params ?? {}, body, progress).then(
      (result) => this.#reply(requestId, 0, null, JSON.stringify(result ?? null)),
      (error: unknown) => {
        const known = error instanceof IluvatarError ? error : new IluvatarError('internal', String(error));
        const meta = JSON.stringify({ message: known.message, ...known.details });
        this.#reply(requestId, errorCode(known.errorClass), meta, null);
      },
    );
  }

  #reply(requestId: number, status: number, meta: string | null, body: string | null): void {
    this.#calls--;
    this.#connection.send(FrameType.reply, status, 0, requestId, 0, 0, 0, meta, body);
    this.#leaving?.(this);
  }

  #refuse(type: number, requestId: number, errorClass: 'invalid', message: string): void {
    this.#connection.send(type, errorCode(errorClass), 0, requestId, 0, 0, 0, JSON.stringify({ message }), null);
  }
}

/** One request of a client between INVOKE and RESULT. */
class PendingInvocation implements GatewaySink {
  id = 0;
  readonly #client: UnixClient;
  readonly #connection: Connection;
  readonly #requestId: number;

  constructor(client: UnixClient, connection: Connection, requestId: number) {
    this.#client = client;
    this.#connection = connection;
    this.#requestId = requestId;
  }

  settled(result: GatewayResult): void {
    this.#client.settled(this.#requestId);
    const { payload } = result;
    const status = errorCode(result.errorClass);
    let flags = RESULT_STATES.indexOf(result.state);
    let meta: string | null = null;
    const { energy = null } = result;
    const plain = status === 0 && result.details === null && result.attempts <= 1;
    if (!plain || result.throttledUs > 0 || energy !== null) {
      meta = JSON.stringify({
        message: result.message ?? undefined,
        tid: result.tid,
        ...attempts(result),
        ...(result.throttledUs > 0 ? { throttledUs: result.throttledUs } : {}),
        ...(energy === null ? {} : { energy }),
        ...result.details,
      });
      if (result.details?.evidence?.outputCut === true) flags |= RESULT_OUTPUT_CUT;
    }
    const c = this.#connection;
    const roomy =
      typeof payload === 'number' && payload !== 0
        ? c.forward(
            FrameType.result,
            status,
            flags,
            this.#requestId,
            word(result.queueUs),
            word(result.startUs),
            word(result.runUs),
            meta,
            payload,
          )
        : c.send(
            FrameType.result,
            status,
            flags,
            this.#requestId,
            word(result.queueUs),
            word(result.startUs),
            word(result.runUs),
            meta,
            payload === 0 ? null : (payload as Uint8Array | null),
          );
    // A client that does not read its answers must not make the worker keep them all: stop reading its requests.
    if (!roomy) c.pause();
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The `tid` of a client's HELLO, or ''. */
function tidPrefix(meta: string): string {
  try {
    const { tid } = JSON.parse(meta) as { tid?: unknown };
    return typeof tid === 'string' && /^[A-Za-z0-9-]{1,64}$/.test(tid) ? tid : '';
  } catch {
    return '';
  }
}

/** A time as the wire has it: 32 bits of µs, a longer one reads as the longest (71 minutes). */
function word(us: number): number {
  return Math.min(us, 0xffff_ffff);
}

function attempts(result: GatewayResult): { attempts?: number } {
  return result.attempts > 1 ? { attempts: result.attempts } : {};
}
