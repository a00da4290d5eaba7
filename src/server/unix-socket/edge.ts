import { errorCode, IluvatarError } from '../../core/errors.js';
import { FrameType, RESULT_OUTPUT_CUT, RESULT_STATES, transactionId } from '../../transport/frames.js';
import type { CloseReason, Connection, ConnectionHandler, Frame, Transport } from '../../transport/transport.js';
import type { Gateway, GatewayResult, GatewaySink } from '../gateway.js';

/**
 * The unix-socket edge: the framed protocol for clients (docs/protocol.md). INVOKE is the hot path: with a function handle it reads no
 * meta, parses no JSON, and hands the body over as a token that never enters JavaScript.
 */

export interface UnixSocketEdgeOptions {
  transport: Transport;
  gateway: Gateway;
  path: string;
  mode: number;
  /** A socket that listens there already; null = it is made. */
  fd: number | null;
}

/** Metas remembered per connection: clients that name their function send the same text again and again. */
const REMEMBERED_METAS = 256;

/** Starts listening; returns the function that stops it and closes what is open. Throws EADDRINUSE when another worker listens there. */
export function startUnixSocketEdge(options: UnixSocketEdgeOptions): () => void {
  const clients = new Set<ClientConnection>();
  const { transport, fd, path, mode } = options;
  const accept = (connection: Connection): ConnectionHandler => {
    const client = new ClientConnection(connection, options.gateway, () => clients.delete(client));
    clients.add(client);
    return client;
  };
  const stop = fd === null ? transport.listen(path, mode, accept) : transport.listenOn(fd, accept);
  return () => {
    stop();
    for (const client of clients) client.end();
  };
}

interface Target {
  handle: number;
  tid: string;
}

class ClientConnection implements ConnectionHandler {
  /** '' = the client gave none: the worker makes the ids. */
  #tidPrefix = '';
  readonly #connection: Connection;
  readonly #gateway: Gateway;
  readonly #gone: () => void;
  readonly #pending = new Map<number, PendingInvocation>();
  readonly #metas = new Map<string, { name: string; version: string }>();

  constructor(connection: Connection, gateway: Gateway, gone: () => void) {
    this.#connection = connection;
    this.#gateway = gateway;
    this.#gone = gone;
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
        return;
      default:
        return;
    }
  }

  closed(_connection: Connection, _reason: CloseReason): void {
    this.#gone();
    for (const pending of this.#pending.values()) this.#gateway.abandon(pending.id);
    this.#pending.clear();
  }

  drained(): void {
    this.#connection.resume();
  }

  end(): void {
    this.#connection.close();
    this.closed(this.#connection, { code: 'end', message: '' });
  }

  #invoke(frame: Frame): void {
    const { requestId, x0: timeoutMs } = frame;
    let handle = frame.x1;
    let tid = '';
    if (frame.metaBytes > 0) {
      const target = this.#target(frame.meta(), handle);
      if (typeof target === 'string') {
        this.#refuse(FrameType.result, requestId, 'invalid', target);
        return;
      }
      handle = target.handle;
      tid = target.tid;
    }
    if (this.#pending.has(requestId)) {
      this.#refuse(FrameType.result, requestId, 'invalid', `request ${requestId} is still in flight`);
      return;
    }
    if (tid === '' && this.#tidPrefix !== '') tid = transactionId(this.#tidPrefix, requestId);
    const pending = new PendingInvocation(this.#connection, this.#pending, requestId);
    // The handler may settle at once; only what is still open is remembered for CANCEL and disconnection.
    const payload = frame.keep();
    pending.id = this.#gateway.invoke(handle, payload, timeoutMs, tid, pending);
    if (pending.id !== 0) this.#pending.set(requestId, pending);
  }

  /** The function a meta names, or what is wrong with it. The name's key is remembered, never its handle: functions come and go. */
  #target(meta: string, handle: number): Target | string {
    const known = this.#metas.get(meta);
    if (known !== undefined) return { handle: this.#gateway.resolve(known.name, known.version), tid: '' };
    let parsed: { function?: unknown; version?: unknown; tid?: unknown };
    try {
      parsed = JSON.parse(meta) as typeof parsed;
    } catch {
      return 'the meta of INVOKE is not JSON';
    }
    if (parsed === null || typeof parsed !== 'object') return 'the meta of INVOKE is not an object';
    const tid = typeof parsed.tid === 'string' ? parsed.tid : '';
    if (parsed.function === undefined) return { handle, tid };
    const version = parsed.version ?? '1';
    if (typeof parsed.function !== 'string' || typeof version !== 'string')
      return '"function" and "version" must be strings';
    if (tid === '' && this.#metas.size < REMEMBERED_METAS) {
      this.#metas.set(meta, { name: parsed.function, version });
    }
    return { handle: this.#gateway.resolve(parsed.function, version), tid };
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
    this.#gateway.call(request?.method as never, request?.params ?? {}, body, progress).then(
      (result) => {
        this.#connection.send(FrameType.reply, 0, 0, requestId, 0, 0, 0, null, JSON.stringify(result ?? null));
      },
      (error: unknown) => {
        const known = error instanceof IluvatarError ? error : new IluvatarError('internal', String(error));
        const meta = JSON.stringify({ message: known.message, ...known.details });
        this.#connection.send(FrameType.reply, errorCode(known.errorClass), 0, requestId, 0, 0, 0, meta, null);
      },
    );
  }

  #refuse(type: number, requestId: number, errorClass: 'invalid', message: string): void {
    this.#connection.send(type, errorCode(errorClass), 0, requestId, 0, 0, 0, JSON.stringify({ message }), null);
  }
}

/** One request of a client between INVOKE and RESULT. */
class PendingInvocation implements GatewaySink {
  id = 0;
  readonly #connection: Connection;
  readonly #pending: Map<number, PendingInvocation>;
  readonly #requestId: number;

  constructor(connection: Connection, pending: Map<number, PendingInvocation>, requestId: number) {
    this.#connection = connection;
    this.#pending = pending;
    this.#requestId = requestId;
  }

  settled(result: GatewayResult): void {
    this.#pending.delete(this.#requestId);
    const { payload } = result;
    const status = errorCode(result.errorClass);
    let flags = RESULT_STATES.indexOf(result.state);
    let meta: string | null = null;
    if (status !== 0 || result.details !== null || result.attempts > 1 || result.throttledUs > 0) {
      meta = JSON.stringify({
        message: result.message ?? undefined,
        tid: result.tid,
        ...attempts(result),
        ...(result.throttledUs > 0 ? { throttledUs: result.throttledUs } : {}),
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
