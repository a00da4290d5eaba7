import {
  CONNECTION_CLOSED,
  CONNECTION_DRAINED,
  CONNECTION_FINISHED,
  CONNECTION_OPEN,
  EVENT_WORDS,
  type NativeTransport,
  native,
} from '../native.js';
import { Frame } from './frame.js';
import { FrameType } from './frames.js';

/**
 * Framed connections for one event loop: turns the addon's batches of numbers into calls on handlers. One `Frame` object is reused for
 * all frames, so the hot path allocates nothing here.
 */

export interface TransportSettings {
  maxBodyBytes: number;
  spinUs: number;
  highWaterBytes: number;
  /** Meta of the HELLO sent on accepted connections. */
  hello: string;
}

export interface CloseReason {
  /** `end` for a clean end of stream, else an `ERR_…` or system error code. */
  readonly code: string;
  readonly message: string;
}

/**
 * Receives what happens on a connection. `frame` is valid only during the call; a payload not taken or forwarded is dropped afterwards. An exception becomes an
 * uncaughtException of the environment; the other frames of the batch are delivered all the same.
 */
export interface ConnectionHandler {
  frame(connection: Connection, frame: Frame): void;
  closed(connection: Connection, reason: CloseReason): void;
  /** Its unsent bytes are below the high-water mark again. */
  drained?(connection: Connection): void;
  /** Of HTTP/2, after its `leave`: everything is written, and the other end is expected to close. */
  finished?(): void;
}

const EMPTY = Buffer.alloc(0);
/** Nearly every request fits, and so do the small fields of an answer. */
const WINDOW_BYTES = 8192;

export class Connection {
  readonly id: number;
  handler: ConnectionHandler;
  open = true;
  /** What the peer said in an ERROR frame: the better reason when the connection ends. */
  peerError: CloseReason | null = null;
  readonly #native: NativeTransport;
  readonly #detach: (id: number) => number;

  /** `detach` is the transport's, which must forget the connection too. */
  constructor(native: NativeTransport, id: number, handler: ConnectionHandler, detach: (id: number) => number) {
    this.#native = native;
    this.id = id;
    this.handler = handler;
    this.#detach = detach;
  }

  /** False: above the high-water mark (`drained` follows) or gone. The frame is queued in the first case, lost in the second. */
  send(
    type: number,
    status: number,
    flags: number,
    requestId: number,
    x0: number,
    x1: number,
    x2: number,
    meta: string | null,
    body: Uint8Array | string | null,
  ): boolean {
    return this.open && this.#native.send(this.id, type, status, flags, requestId, x0, x1, x2, meta, body);
  }

  /** As `send` with the body of a received payload, whose token is used up either way. */
  forward(
    type: number,
    status: number,
    flags: number,
    requestId: number,
    x0: number,
    x1: number,
    x2: number,
    meta: string | null,
    payload: number,
  ): boolean {
    if (!this.open) {
      this.#native.drop(payload);
      return false;
    }
    return this.#native.forward(this.id, type, status, flags, requestId, x0, x1, x2, meta, payload);
  }

  /** Who connected. Throws ENOTCONN once the connection is closed. */
  peer(): { pid: number; uid: number; gid: number } {
    return this.#native.peer(this.id);
  }

  /** Stays the connection's: to duplicate. Throws ENOTCONN once the connection is closed. */
  descriptor(): number {
    return this.#native.descriptor(this.id);
  }

  /** Largest body the peer said it takes; bytes. Infinity before its HELLO and when that states none. */
  get peerMaxBody(): number {
    return this.open ? this.#native.peerMaxBody(this.id) : Number.POSITIVE_INFINITY;
  }

  /**
   * Gives the connection up between frames: its descriptor, from now on the caller's, on which `Transport.resume` goes on, here or in another process. `closed` is not
   * called. −1 = not now, and nothing has changed: HELLO has not come, a frame is half read or not handled yet, bytes are unsent, or the connection is gone.
   */
  detach(): number {
    if (!this.open) return -1;
    const fd = this.#detach(this.id);
    if (fd >= 0) this.open = false;
    return fd;
  }

  /** Stops reading between frames: one that has begun is still delivered. */
  pause(): void {
    if (this.open) this.#native.pause(this.id);
  }

  resume(): void {
    if (this.open) this.#native.resume(this.id);
  }

  /** What was sent before is still written. `closed` is not called for one's own close. */
  close(): void {
    if (!this.open) return;
    this.open = false;
    this.#native.close(this.id);
  }
}

/**
 * Stops listening. A connection that the kernel has given us and that `accept` has not been told of is closed, or with `withAccepted` still told of, when the loop comes round. Idempotent.
 */
export type StopListening = (withAccepted?: boolean) => void;

export class Transport {
  readonly #native: NativeTransport;
  readonly #events: Uint32Array;
  readonly #frame: Frame;
  readonly #window = new Uint8Array(WINDOW_BYTES);
  readonly #connections = new Map<number, Connection>();
  readonly #listeners = new Map<number, (connection: Connection) => ConnectionHandler>();
  #destroyed = false;
  /** Records of the delivery at hand that were handled: what lies behind them is read, but nobody has seen it. */
  #handled = 0;
  readonly #detach = (id: number): number => {
    const fd = this.#native.detach(id, this.#handled);
    if (fd >= 0) this.#connections.delete(id);
    return fd;
  };

  constructor(settings: TransportSettings) {
    this.#events = new Uint32Array(EVENT_WORDS * 1024);
    this.#native = native().transport.create({
      maxBodyBytes: settings.maxBodyBytes,
      spinUs: settings.spinUs,
      highWaterBytes: settings.highWaterBytes,
      events: this.#events,
      window: this.#window,
      onEvents: (count) => this.#dispatch(count),
    });
    this.#native.setHello(settings.hello);
    this.#frame = new Frame(this.#native, this.#window);
  }

  /** Listens on a unix socket path (a stale file is replaced, a live one is EADDRINUSE). Returns the function that stops it. */
  listen(path: string, mode: number, accept: (connection: Connection) => ConnectionHandler): StopListening {
    return this.#listening(this.#native.listen(path, mode, 1024), accept);
  }

  /** Listens on a copy of a unix socket that somebody else made; its path stays when it stops. */
  listenOn(fd: number, accept: (connection: Connection) => ConnectionHandler): StopListening {
    return this.#listening(this.#native.listenOn(fd), accept);
  }

  #listening(id: number, accept: (connection: Connection) => ConnectionHandler): StopListening {
    this.#listeners.set(id, accept);
    return (withAccepted = false) => {
      if (!this.#listeners.has(id)) return;
      // Ids do not come again, so what is left here is never mistaken for another's.
      if (!withAccepted) this.#listeners.delete(id);
      this.#native.closeListener(id);
    };
  }

  connect(path: string, hello: string, handler: ConnectionHandler, legacy = false): Connection {
    return this.#made(this.#native.connect(path, hello, legacy), handler);
  }

  /** Takes over a connected stream socket, which is closed with the connection, or at once if this throws. */
  attach(fd: number, hello: string, handler: ConnectionHandler, legacy = false): Connection {
    return this.#made(this.#native.attach(fd, hello, legacy), handler);
  }

  /**
   * Takes over a connected stream socket that `Connection.detach` gave up, or a copy of one: both HELLOs have passed, none is sent and one that comes is an error. It
   * is closed with the connection, or at once if this throws. `peerMaxBody` as the connection given up said, in bytes.
   */
  resume(fd: number, peerMaxBody: number, handler: ConnectionHandler): Connection {
    return this.#made(this.#native.attachGreeted(fd, peerMaxBody), handler);
  }

  #made(id: number, handler: ConnectionHandler): Connection {
    return this.make((native, detach) => new Connection(native, id, handler, detach));
  }

  /** A connection of another kind, that is made of the addon's. */
  make<Made extends Connection>(
    make: (native: NativeTransport, detach: (id: number) => number, window: Uint8Array) => Made,
  ): Made {
    const connection = make(this.#native, this.#detach, this.#window);
    this.#connections.set(connection.id, connection);
    return connection;
  }

  /** A server of HTTP/2; `src/transport/http2.ts`. */
  http2Server(...options: Parameters<NativeTransport['http2Server']>): number {
    return this.#native.http2Server(...options);
  }

  body(payload: number): Buffer {
    return payload === 0 ? EMPTY : this.#native.body(payload);
  }

  /** Of a payload's body. */
  bytes(payload: number): number {
    return payload === 0 ? 0 : this.#native.bodyBytes(payload);
  }

  /** Harmless after `destroy`, which drops everything. */
  drop(payload: number): void {
    if (payload !== 0 && !this.#destroyed) this.#native.drop(payload);
  }

  /** Writes now what waits to be written; for a thread that does not come round its loop again. What does not fit stays where it is. */
  flush(): void {
    if (!this.#destroyed) this.#native.flush();
  }

  counters(): ReturnType<NativeTransport['counters']> {
    return this.#native.counters();
  }

  /** Closes everything at once; `closed` is not called. Unsent frames are lost. Idempotent. */
  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    for (const connection of this.#connections.values()) connection.open = false;
    this.#native.destroy();
    this.#connections.clear();
    this.#listeners.clear();
  }

  #dispatch(count: number): void {
    for (let i = 0, at = 0; i < count && !this.#destroyed; i++, at += EVENT_WORDS) {
      this.#handled = i + 1;
      try {
        this.#record(at);
      } catch (error) {
        // Thrown on, it would take the rest of the batch with it: other connections' frames, lost for ever.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  #record(at: number): void {
    const e = this.#events;
    const id = e[at] as number;
    const kind = e[at + 1] as number;
    if (kind === CONNECTION_OPEN) {
      this.#accepted(id, e[at + 11] as number);
      return;
    }
    const connection = this.#connections.get(id);
    if (kind === CONNECTION_CLOSED) {
      this.#connections.delete(id);
      if (connection?.open) {
        connection.open = false;
        connection.handler.closed(connection, connection.peerError ?? this.#reason(e[at + 11] as number));
      }
      return;
    }
    if (connection === undefined || !connection.open) {
      this.drop(e[at + 10] as number);
      return;
    }
    if (kind === CONNECTION_DRAINED) {
      connection.handler.drained?.(connection);
      return;
    }
    if (kind === CONNECTION_FINISHED) {
      connection.handler.finished?.();
      return;
    }
    const frame = this.#frame;
    frame.type = kind;
    frame.status = e[at + 2] as number;
    frame.flags = e[at + 3] as number;
    frame.requestId = e[at + 4] as number;
    frame.x0 = e[at + 5] as number;
    frame.x1 = e[at + 6] as number;
    frame.x2 = e[at + 7] as number;
    frame.metaBytes = e[at + 8] as number;
    frame.bodyBytes = e[at + 9] as number;
    frame.payload = e[at + 10] as number;
    if (kind === FrameType.error) connection.peerError = peerError(frame.meta());
    try {
      connection.handler.frame(connection, frame);
    } finally {
      this.drop(frame.payload);
      frame.payload = 0;
    }
  }

  #accepted(id: number, listener: number): void {
    const accept = this.#listeners.get(listener);
    if (accept === undefined) {
      this.#native.close(id);
      return;
    }
    const connection = this.#made(id, REFUSED);
    try {
      connection.handler = accept(connection);
    } catch (error) {
      // Nobody would ever answer on it.
      connection.close();
      throw error;
    }
  }

  #reason(index: number): CloseReason {
    return index === 0 ? END : this.#native.lastError(index);
  }
}

const END: CloseReason = { code: 'end', message: 'the peer closed the connection' };
const REFUSED: ConnectionHandler = { frame() {}, closed() {} };

function peerError(meta: string): CloseReason {
  try {
    const { code, message } = JSON.parse(meta) as { code?: unknown; message?: unknown };
    return { code: String(code ?? 'ERR_PEER'), message: `the peer said: ${String(message ?? 'no reason')}` };
  } catch {
    return { code: 'ERR_PEER', message: 'the peer refused the connection without a reason' };
  }
}
