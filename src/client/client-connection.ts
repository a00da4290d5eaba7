import { randomBytes } from 'node:crypto';
import type { InvokeOptions, InvokeResult } from '../config/api.js';
import { type ErrorDetails, errorClassOf, IluvatarError } from '../core/errors.js';
import type { Frame } from '../transport/frame.js';
import { FrameType, RESULT_STATES, transactionId } from '../transport/frames.js';
import { type CloseReason, type Connection, type ConnectionHandler, Transport } from '../transport/transport.js';

/**
 * The client's end of one framed connection: numbers requests, keeps them until they are answered, and turns answers into results or typed errors. A lost connection
 * answers everything that is open with `unavailable`: nobody waits for ever.
 */

interface Pending {
  resolve(value: never): void;
  reject(error: IluvatarError): void;
  /** Asked-for transaction id; '' = the worker's. */
  readonly tid: string;
  readonly progress: ((line: string) => void) | null;
  readonly signal: AbortSignal | null;
  readonly aborted: (() => void) | null;
  /** Sent to be run: when the connection ends, nobody knows how far it came. */
  readonly invocation: boolean;
}

/** What RESULT, REPLY, EVENT, HELLO and ERROR may say in their meta. */
interface Meta extends ErrorDetails {
  message?: string;
  tid?: string;
  event?: string;
  line?: string;
  name?: string;
  code?: string;
}

export class ClientConnection implements ConnectionHandler {
  workerName = '';
  /** Largest body the worker takes; it would end the connection over a larger one. */
  #peerMaxBytes = Number.POSITIVE_INFINITY;
  /** Said once in HELLO: a request without a transaction id has this and its number, on both sides, and none is sent. */
  readonly #tidPrefix = randomBytes(6).toString('hex');
  readonly #path: string;
  readonly #transport: Transport;
  readonly #connection: Connection;
  readonly #pending = new Map<number, Pending>();
  readonly #metas = new Map<string, string>();
  #lastId = 0;
  #greeting: { resolve(): void; reject(error: IluvatarError): void } | null = null;
  #isGreeted = false;
  #ended = false;
  #lost: IluvatarError | null = null;

  /** Throws `unavailable` when nobody listens at `path`. */
  constructor(path: string, maxBodyBytes: number) {
    this.#path = path;
    const hello = JSON.stringify({ role: 'client', tid: this.#tidPrefix });
    this.#transport = new Transport({ maxBodyBytes, spinUs: 0, highWaterBytes: 1024 * 1024, hello });
    try {
      this.#connection = this.#transport.connect(path, hello, this);
    } catch (error) {
      this.#transport.destroy();
      throw new IluvatarError('unavailable', connectMessage(path, error as NodeJS.ErrnoException));
    }
  }

  get open(): boolean {
    return this.#lost === null;
  }

  /** Resolves when the worker has said HELLO, which a stranger's socket would not. */
  async greeted(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        if (this.#lost !== null) throw this.#lost;
        if (this.#isGreeted) return resolve();
        this.#greeting = { resolve, reject };
        timer = setTimeout(() => {
          reject(new IluvatarError('unavailable', `nothing at ${this.#path} answered within ${timeoutMs} ms`));
        }, timeoutMs);
      });
    } catch (error) {
      this.close();
      throw error;
    } finally {
      clearTimeout(timer);
      this.#greeting = null;
    }
  }

  invoke(name: string, body: string | Uint8Array, options: InvokeOptions & { handle?: number }): Promise<InvokeResult> {
    return new Promise((resolve, reject) => {
      const { timeoutMs = 0, tid = '', signal = null, handle = 0, traceparent } = options;
      const id = this.#open(body, resolve, reject, tid, null, signal, true);
      if (id === 0) return;
      const meta =
        tid === '' && traceparent === undefined
          ? handle === 0
            ? this.#invokeMeta(name, options.version)
            : null
          : ownMeta(name, options);
      // A frame above the high-water mark is queued, not lost: a client's own requests are bounded by what it has in flight.
      this.#connection.send(FrameType.invoke, 0, 0, id, timeoutMs, handle, 0, meta, body);
    });
  }

  call(
    method: string,
    params: Record<string, unknown>,
    body: Uint8Array | string | null,
    progress: ((line: string) => void) | null,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = this.#open(body, resolve, reject, '', progress, null);
      if (id === 0) return;
      this.#connection.send(FrameType.call, 0, 0, id, 0, 0, 0, JSON.stringify({ method, params }), body);
    });
  }

  close(): void {
    this.#fail(new IluvatarError('unavailable', 'the client was closed'));
    this.#connection.close();
    this.#destroySoon();
  }

  frame(_connection: Connection, frame: Frame): void {
    switch (frame.type) {
      case FrameType.result:
        this.#result(frame);
        return;
      case FrameType.reply:
        this.#reply(frame);
        return;
      case FrameType.event: {
        const { line } = readMeta(frame);
        if (line !== undefined) this.#pending.get(frame.requestId)?.progress?.(line);
        return;
      }
      case FrameType.hello:
        this.workerName = readMeta(frame).name ?? '';
        this.#peerMaxBytes = frame.x2 * 1024;
        this.#isGreeted = true;
        this.#greeting?.resolve();
        return;
      case FrameType.error: {
        const { code, message } = readMeta(frame);
        this.#fail(new IluvatarError('unavailable', `the worker ended the connection: ${code}: ${message}`));
        return;
      }
      default:
        return;
    }
  }

  closed(_connection: Connection, reason: CloseReason): void {
    const why = reason.code === 'end' ? 'the worker closed it' : `${reason.code}: ${reason.message}`;
    this.#fail(new IluvatarError('unavailable', `the connection to ${this.#path} was lost: ${why}`));
    this.#destroySoon();
  }

  /** Not now: a CANCEL just sent is still to be written, and the caller may stand inside the transport's own delivery. */
  #destroySoon(): void {
    if (this.#ended) return;
    this.#ended = true;
    setImmediate(() => this.#transport.destroy());
  }

  /** Enters a request; 0 = already refused. */
  #open(
    body: Uint8Array | string | null,
    resolve: (value: never) => void,
    reject: (error: IluvatarError) => void,
    tid: string,
    progress: Pending['progress'],
    signal: AbortSignal | null,
    invocation = false,
  ): number {
    if (this.#lost !== null) {
      reject(this.#lost);
      return 0;
    }
    if (signal?.aborted) {
      reject(cancelled());
      return 0;
    }
    const bytes = body === null ? 0 : Buffer.byteLength(body);
    if (bytes > this.#peerMaxBytes) {
      reject(new IluvatarError('too_large', `${bytes} bytes; this worker takes at most ${this.#peerMaxBytes}`));
      return 0;
    }
    const id = this.#nextId();
    const aborted = signal === null ? null : () => this.#cancel(id);
    if (signal !== null && aborted !== null) signal.addEventListener('abort', aborted, { once: true });
    this.#pending.set(id, { resolve, reject, tid, progress, signal, aborted, invocation });
    return id;
  }

  /** 1 … 2^32 − 1, around again, past those in flight. */
  #nextId(): number {
    do {
      this.#lastId = this.#lastId === 0xffffffff ? 1 : this.#lastId + 1;
    } while (this.#pending.has(this.#lastId));
    return this.#lastId;
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    if (pending === undefined) return undefined;
    this.#pending.delete(id);
    if (pending.aborted !== null) pending.signal?.removeEventListener('abort', pending.aborted);
    return pending;
  }

  #cancel(id: number): void {
    const pending = this.#take(id);
    if (pending === undefined) return;
    this.#connection.send(FrameType.cancel, 0, 0, id, 0, 0, 0, null, null);
    pending.reject(cancelled());
  }

  #result(frame: Frame): void {
    // Cancelled ones are still answered by the worker; nobody waits for that any more.
    const pending = this.#take(frame.requestId);
    if (pending === undefined) return;
    const meta = readMeta(frame);
    try {
      const answer: InvokeResult = {
        result: readBody(frame, meta),
        tid: meta.tid ?? (pending.tid === '' ? transactionId(this.#tidPrefix, frame.requestId) : pending.tid),
        containerState: RESULT_STATES[(frame.flags & 3) as 0 | 1 | 2 | 3] ?? 'warm',
        phases: { queueUs: frame.x0, startUs: frame.x1, runUs: frame.x2, throttledUs: meta.throttledUs ?? 0 },
        attempts: meta.attempts ?? 1,
        stdout: meta.stdout ?? '',
        stderr: meta.stderr ?? '',
        ...(meta.energy === undefined ? {} : { energy: meta.energy }),
      };
      pending.resolve(answer as never);
    } catch (error) {
      pending.reject(error as IluvatarError);
    }
  }

  #reply(frame: Frame): void {
    const pending = this.#take(frame.requestId);
    if (pending === undefined) return;
    try {
      pending.resolve(readBody(frame, readMeta(frame)) as never);
    } catch (error) {
      pending.reject(error as IluvatarError);
    }
  }

  #fail(error: IluvatarError): void {
    this.#lost ??= error;
    this.#greeting?.reject(this.#lost);
    for (const id of [...this.#pending.keys()]) {
      const pending = this.#take(id);
      pending?.reject(pending.invocation ? mayHaveRun(this.#lost) : this.#lost);
    }
  }

  /** The same text for the same function: the worker remembers what it has parsed by it. */
  #invokeMeta(name: string, version: string | undefined): string {
    const key = version === undefined ? name : `${name}\0${version}`;
    let meta = this.#metas.get(key);
    if (meta === undefined) {
      meta = JSON.stringify({ function: name, version });
      // Names are the caller's; a caller that makes them up must not fill the memory.
      if (this.#metas.size < 1024) this.#metas.set(key, meta);
    }
    return meta;
  }
}

/** Of a request that has something of its own to say. What is undefined is left out. */
function ownMeta(name: string, options: InvokeOptions & { handle?: number }): string {
  const { handle = 0, version, tid, traceparent, tracestate } = options;
  const named = handle === 0 ? { function: name, version } : {};
  return JSON.stringify({ ...named, tid: tid === '' ? undefined : tid, traceparent, tracestate });
}

function readMeta(frame: Frame): Meta {
  if (frame.metaBytes === 0) return {};
  try {
    return (JSON.parse(frame.meta()) ?? {}) as Meta;
  } catch {
    return { message: 'the peer sent a malformed meta' };
  }
}

/** The JSON value of an answer; throws the error that the answer stands for. */
function readBody(frame: Frame, meta: Meta): unknown {
  if (frame.status !== 0) throw toError(frame.status, meta);
  if (frame.bodyBytes === 0) return null;
  try {
    return JSON.parse(frame.body().toString('utf8'));
  } catch (error) {
    throw new IluvatarError('internal', `the answer is not JSON: ${(error as Error).message}`);
  }
}

function toError(status: number, meta: Meta): IluvatarError {
  const errorClass = errorClassOf(status) ?? 'internal';
  const { message, tid: _tid, ...details } = meta;
  return new IluvatarError(errorClass, message ?? errorClass, details);
}

function mayHaveRun({ errorClass, message, details }: IluvatarError): IluvatarError {
  return new IluvatarError(errorClass, `${message}; the invocation may have run`, { ...details, mayHaveRun: true });
}

function cancelled(): IluvatarError {
  return new IluvatarError('cancelled', 'the caller gave up');
}

function connectMessage(path: string, error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return `no worker listens at ${path}; start one with "iluvatar worker", or name its socket`;
    case 'EACCES':
    case 'EPERM':
      return `the socket ${path} belongs to somebody else (${error.code})`;
    default:
      return `cannot connect to ${path}: ${error.message}`;
  }
}
