import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { IluvatarError } from '../../core/errors.js';
import { type Gateway, type GatewayResult, type GatewaySink, takeBody } from '../gateway.js';
import type { TraceRequestHeaders } from '../trace-headers.js';
import { envelopeOf, resultHeaders } from './answers.js';
import { problemHeaders, problemOf, refuseUnread, sendProblem, tooLarge } from './problems.js';
import { asyncHeaders } from './request-headers.js';
import type { InvokeTarget } from './target.js';

/**
 * One invocation over HTTP, from the first byte of its body to its answer; used again for the next request. It may be in three states: reading the body, in the worker's
 * hands (`settled` will come, whatever happens to the client), or done and back in the pool.
 */

/** What the requests of one route share. */
export interface PendingOwner {
  readonly gateway: Gateway;
  readonly maxBodyBytes: number;
  readonly slowReaderMs: number;
  readonly closing: boolean;
  /** By descriptor, requests that wait for the end of an invocation: shared with who answers them when this thread cannot. null = nobody does. */
  readonly inFlight: Int32Array | null;
  release(pending: PendingInvocation): void;
}

/** A connection knows its open requests (several, when pipelined), so that its end needs one listener rather than one per request. */
export interface Connection {
  first: PendingInvocation | null;
  /** -1 = not known. */
  readonly descriptor: number;
}

export const connectionOf = new WeakMap<Socket, Connection>();

/** The request's own object, found from the shared listeners: `this` is the request in them. */
const PENDING = Symbol('pending invocation');
type ReadingRequest = IncomingMessage & { [PENDING]?: PendingInvocation | null };

/** Up to this size header and body go out as one string in one write; above it the copy would cost more than a second buffer. */
const ONE_WRITE_BYTES = 8 * 1024;
const NO_BODY = Buffer.alloc(0);
const NULL_RESULT = Buffer.from('null');

export class PendingInvocation implements GatewaySink {
  readonly #owner: PendingOwner;
  #request: ReadingRequest | null = null;
  #response: ServerResponse | null = null;
  #target: InvokeTarget | null = null;
  #version = '';
  #tid = '';
  #timeoutMs = 0;
  /** Content type of the envelope; '' = the result itself is the body. */
  #envelope = '';
  #body: Buffer = NO_BODY;
  #chunks: Buffer[] | null = null;
  #size = 0;
  /** For `abandon`; 0 = not in the worker's hands. */
  #id = 0;
  /** Inside `gateway.invoke`, which may settle at once: the object must not be handed to another request before it returns. */
  #entering = false;
  #settled = false;
  #gone = false;
  #connection: Connection | null = null;
  #previous: PendingInvocation | null = null;
  #next: PendingInvocation | null = null;

  constructor(owner: PendingOwner) {
    this.#owner = owner;
  }

  start(
    request: IncomingMessage,
    response: ServerResponse,
    target: InvokeTarget,
    version: string,
    tid: string,
    timeoutMs: number,
    envelope: string,
  ): void {
    this.#request = request;
    this.#response = response;
    this.#target = target;
    this.#version = version;
    this.#tid = tid;
    this.#timeoutMs = timeoutMs;
    this.#envelope = envelope;
    this.#settled = false;
    this.#gone = false;
    this.#link(connectionOf.get(request.socket) as Connection);
    (request as ReadingRequest)[PENDING] = this;
    request.on('data', onData);
    request.on('end', onEnd);
  }

  received(chunk: Buffer): void {
    this.#size += chunk.length;
    if (this.#size > this.#owner.maxBodyBytes) this.#refuseTooLarge();
    else if (this.#size === chunk.length) this.#body = chunk;
    else if (this.#chunks === null) this.#chunks = [this.#body, chunk];
    else this.#chunks.push(chunk);
  }

  complete(): void {
    const body = this.#chunks === null ? this.#body : Buffer.concat(this.#chunks, this.#size);
    const { headers } = this.#request as ReadingRequest;
    this.#stopReading();
    const { name, async } = this.#target as InvokeTarget;
    if (async) this.#accept(name, body, headers);
    else this.#invoke(name, body, headers);
  }

  get trigger(): 'http' {
    return 'http';
  }

  #invoke(name: string, body: Buffer, headers: IncomingHttpHeaders): void {
    const { gateway } = this.#owner;
    this.#entering = true;
    const handle = gateway.resolve(name, this.#version);
    const args = body.length === 0 ? '' : body;
    const { traceparent, tracestate } = headers as TraceRequestHeaders;
    this.#id = gateway.invoke(handle, args, this.#timeoutMs, this.#tid, this, traceparent, tracestate);
    this.#entering = false;
    if (this.#settled) this.#release();
    else this.#count(1);
  }

  settled(result: GatewayResult): void {
    if (!this.#entering) this.#count(-1);
    this.#settled = true;
    this.#id = 0;
    const body = takeBody(this.#owner.gateway, result.payload);
    if (!this.#gone) this.#answer(result, body);
    if (!this.#entering) this.#release();
  }

  /** The connection has closed. In the worker's hands the object lives until `settled`; otherwise nobody will ask for it again. */
  gone(): void {
    // The number of its descriptor will be another connection's.
    if (this.#id !== 0) this.#count(-1);
    this.#gone = true;
    this.#unlink();
    const reading = this.#request !== null;
    this.#stopReading();
    if (this.#id !== 0) this.#owner.gateway.abandon(this.#id);
    else if (reading) this.#release();
  }

  #count(more: 1 | -1): void {
    const { inFlight } = this.#owner;
    const descriptor = this.#connection?.descriptor ?? -1;
    if (inFlight !== null && !this.#gone && descriptor >= 0 && descriptor < inFlight.length) {
      Atomics.add(inFlight, descriptor, more);
    }
  }

  #answer(result: GatewayResult, body: Uint8Array | null): void {
    const response = this.#response as ServerResponse;
    if (this.#owner.closing) response.shouldKeepAlive = false;
    const headers = resultHeaders(result);
    if (result.errorClass !== null) {
      const problem = problemOf(result.errorClass, result.message, result.details, result.tid);
      for (const [key, value] of Object.entries(problemHeaders(problem))) headers.push(key, value);
      this.#write(response, problem.status, headers, Buffer.from(JSON.stringify(problem)));
      return;
    }
    const payload = body === null || body.length === 0 ? NULL_RESULT : asBuffer(body);
    const type = this.#envelope === '' ? 'application/json' : this.#envelope;
    headers.push('content-type', type);
    this.#write(response, 200, headers, this.#envelope === '' ? payload : envelopeOf(result, payload));
  }

  #write(response: ServerResponse, status: number, headers: string[], body: Buffer): void {
    headers.push('content-length', String(body.length));
    response.writeHead(status, headers);
    // As latin1 every byte is one character and comes out as it went in, whatever the body's encoding is.
    if (body.length <= ONE_WRITE_BYTES) {
      response.end(body.toString('latin1'), 'latin1');
      return;
    }
    response.end(body);
    const { socket } = response;
    if (socket !== null && socket.writableLength > 0) socket.setTimeout(this.#owner.slowReaderMs);
  }

  #accept(name: string, body: Buffer, headers: IncomingHttpHeaders): void {
    const response = this.#response as ServerResponse;
    const owner = this.#owner;
    const params = {
      name,
      version: this.#version,
      ...(this.#timeoutMs > 0 ? { timeoutMs: this.#timeoutMs } : {}),
      ...(this.#tid === '' ? {} : { tid: this.#tid }),
      ...asyncHeaders(headers),
    };
    // Durable or refused before it is answered; a client that leaves meanwhile has still asked for it.
    this.#release();
    const refused = (error: unknown): void => {
      const known =
        error instanceof IluvatarError ? error : new IluvatarError('internal', 'accepting the invocation failed');
      if (owner.closing) response.shouldKeepAlive = false;
      sendProblem(response, problemOf(known.errorClass, known.message, known.details, params.tid ?? ''));
    };
    owner.gateway.call('invokeAsync', params, body.length === 0 ? null : body, noProgress).then((accepted) => {
      if (response.destroyed) return;
      const { id } = accepted as { id: string };
      const location = `/invocations/${encodeURIComponent(id)}`;
      const text = JSON.stringify({ id, location });
      if (owner.closing) response.shouldKeepAlive = false;
      response.writeHead(202, {
        'content-type': 'application/json',
        location,
        'content-length': Buffer.byteLength(text),
      });
      response.end(text);
    }, refused);
  }

  #refuseTooLarge(): void {
    const request = this.#request as ReadingRequest;
    const response = this.#response as ServerResponse;
    this.#stopReading();
    this.#release();
    refuseUnread(request, response, tooLarge(this.#owner.maxBodyBytes));
  }

  #stopReading(): void {
    const request = this.#request;
    if (request === null) return;
    request[PENDING] = null;
    request.off('data', onData);
    request.off('end', onEnd);
    this.#request = null;
    this.#body = NO_BODY;
    this.#chunks = null;
    this.#size = 0;
  }

  #release(): void {
    this.#unlink();
    this.#response = null;
    this.#target = null;
    this.#owner.release(this);
  }

  #link(connection: Connection): void {
    this.#connection = connection;
    this.#previous = null;
    this.#next = connection.first;
    if (connection.first !== null) connection.first.#previous = this;
    connection.first = this;
  }

  #unlink(): void {
    const connection = this.#connection;
    if (connection === null) return;
    if (this.#previous === null) connection.first = this.#next;
    else this.#previous.#next = this.#next;
    if (this.#next !== null) this.#next.#previous = this.#previous;
    this.#connection = null;
    this.#previous = null;
    this.#next = null;
  }
}

function onData(this: ReadingRequest, chunk: Buffer): void {
  this[PENDING]?.received(chunk);
}

function onEnd(this: ReadingRequest): void {
  this[PENDING]?.complete();
}

function noProgress(): void {}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
