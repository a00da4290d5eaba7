import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Gateway } from '../gateway.js';
import { type Connection, connectionOf, PendingInvocation, type PendingOwner } from './pending-invocation.js';
import { problemOf, refuseUnread, sendProblem, tooLarge } from './problems.js';
import { isTid, readTimeout, TID_RULE, TIMEOUT_RULE } from './request-headers.js';
import { type InvokeTarget, InvokeTargets } from './target.js';

/**
 * `POST /functions/{name}/{version}/invoke`, the hot path of the HTTP edge: served from the parser's own objects, with one pooled object per request. It makes no promise,
 * no URL, no closure, and parses neither the arguments nor the result. Control-plane routes are not here.
 */

const ENVELOPE_TYPE = 'application/vnd.iluvatar+json';
const PLAIN_TYPE = 'application/json';
const ALLOWED = 'POST, OPTIONS';
/** Objects kept for the next requests; more than this many at once are made and thrown away. */
const POOL_SIZE = 1024;

export class InvokeRoute implements PendingOwner {
  readonly gateway: Gateway;
  readonly maxBodyBytes: number;
  readonly slowReaderMs: number;
  readonly inFlight: Int32Array | null;
  /** Set when the server is closing: answers then end their connections. */
  closing = false;
  readonly #targets = new InvokeTargets();
  readonly #pool: PendingInvocation[] = [];

  /** `slowReaderMs`: a client that takes nothing of its answer for so long is cut off. */
  constructor(gateway: Gateway, maxBodyBytes: number, slowReaderMs: number, inFlight: Int32Array | null = null) {
    this.inFlight = inFlight;
    this.gateway = gateway;
    this.maxBodyBytes = maxBodyBytes;
    this.slowReaderMs = slowReaderMs;
  }

  /** Must be told of each connection before its first request: this is how a client that leaves is noticed, once per connection. */
  connected(socket: Socket): void {
    const connection: Connection = { first: null, descriptor: descriptorOf(socket) };
    connectionOf.set(socket, connection);
    socket.once('close', () => {
      // `gone` unlinks, so the head moves on by itself.
      while (connection.first !== null) connection.first.gone();
    });
  }

  /** False when the request is not for this route. */
  serve(request: IncomingMessage, response: ServerResponse): boolean {
    const target = this.#targets.find(request.url as string);
    if (target === null) return false;
    if (request.method === 'POST') this.#invoke(request, response, target);
    else this.#otherMethod(request, response);
    return true;
  }

  release(pending: PendingInvocation): void {
    if (this.#pool.length < POOL_SIZE) this.#pool.push(pending);
  }

  #invoke(request: IncomingMessage, response: ServerResponse, target: InvokeTarget): void {
    const { headers } = request;
    const length = headers['content-length'];
    if (length !== undefined && Number(length) > this.maxBodyBytes) {
      refuseUnread(request, response, tooLarge(this.maxBodyBytes));
      return;
    }
    const tid = headers['x-iluvatar-tid'] as string | undefined;
    const timeout = headers['x-iluvatar-timeout-ms'] as string | undefined;
    const timeoutMs = timeout === undefined ? 0 : readTimeout(timeout);
    let { fault } = target;
    if (tid !== undefined && !isTid(tid)) fault = TID_RULE;
    if (timeoutMs < 0) fault = TIMEOUT_RULE;
    if (fault !== '') {
      refuseUnread(request, response, problemOf('invalid', fault, null, ''));
      return;
    }
    const version = target.version !== '' ? target.version : ((headers['x-iluvatar-version'] as string) ?? '1');
    const envelope =
      headers.accept?.includes(ENVELOPE_TYPE) === true ? ENVELOPE_TYPE : target.envelope ? PLAIN_TYPE : '';
    const pending = this.#pool.pop() ?? new PendingInvocation(this);
    pending.start(request, response, target, version, tid ?? '', timeoutMs, envelope);
  }

  #otherMethod(request: IncomingMessage, response: ServerResponse): void {
    if (this.closing) response.shouldKeepAlive = false;
    if (request.method === 'OPTIONS') {
      response.writeHead(204, { allow: ALLOWED });
      response.end();
      return;
    }
    const detail = `${request.method} is not for this path; it takes ${ALLOWED}`;
    sendProblem(response, problemOf('invalid', detail, null, '', 405), { allow: ALLOWED });
  }
}

/** Node has no public name for it. */
function descriptorOf(socket: Socket): number {
  return (socket as Socket & { _handle?: { fd?: number } | null })._handle?.fd ?? -1;
}
