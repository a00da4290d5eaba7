import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ErrorClass, ErrorDetails } from '../../core/errors.js';
import { IluvatarError } from '../../core/errors.js';

/**
 * How a failure looks over HTTP: RFC 9457 problem details whose `errorClass` is ours, and a status per class. The class is the truth; the status is for proxies and
 * tools that know nothing of us, so a fault of the caller or the function is 4xx (trying again elsewhere will not help) and ours is 5xx.
 */

export const STATUS_OF_CLASS: Readonly<Record<ErrorClass, number>> = {
  invalid: 400,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  user_error: 422,
  overloaded: 429,
  cancelled: 499,
  internal: 500,
  crashed: 502,
  start_failed: 502,
  unavailable: 503,
  timeout: 504,
  out_of_memory: 507,
};

export const TITLE_OF_CLASS: Readonly<Record<ErrorClass, string>> = {
  invalid: 'The request is malformed',
  not_found: 'There is no such thing',
  conflict: 'Something else exists under this name',
  too_large: 'The payload is over its limit',
  user_error: 'The function failed',
  overloaded: 'The queue is full',
  cancelled: 'The caller gave up',
  internal: 'The worker failed',
  crashed: 'The process of the function died',
  start_failed: 'The function could not be started',
  unavailable: 'The worker cannot do this now',
  timeout: 'The time has passed',
  out_of_memory: 'The function ran out of memory',
};

export const PROBLEM_TYPE = 'application/problem+json';

/** Body of an error answer. */
export interface Problem extends ErrorDetails {
  type: string;
  title: string;
  status: number;
  detail: string;
  errorClass: ErrorClass;
  tid?: string;
}

/** `status` differs from the class's own where HTTP has a number of its own (405, 408, 415, 431). */
export function problemOf(
  errorClass: ErrorClass,
  message: string | null,
  details: ErrorDetails | null,
  tid: string,
  status = STATUS_OF_CLASS[errorClass],
): Problem {
  const title = TITLE_OF_CLASS[errorClass];
  const problem: Problem = {
    type: `urn:iluvatar:error:${errorClass}`,
    title,
    status,
    detail: message ?? title,
    errorClass,
  };
  if (tid !== '') problem.tid = tid;
  return details === null ? problem : { ...details, ...problem };
}

export function tooLarge(maxBytes: number): Problem {
  return problemOf('too_large', `the body is over ${maxBytes} bytes`, null, '');
}

/** A failure whose HTTP status is not that of its class. */
export class HttpError extends IluvatarError {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  constructor(errorClass: ErrorClass, status: number, message: string, headers: Record<string, string> = {}) {
    super(errorClass, message);
    this.status = status;
    this.headers = headers;
  }
}

/** Seconds for `Retry-After`, which knows no fractions; '' = none. */
export function retryAfter(details: ErrorDetails | null): string {
  return details?.retryAfterMs === undefined ? '' : String(Math.max(1, Math.ceil(details.retryAfterMs / 1000)));
}

export function problemHeaders(problem: Problem): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': PROBLEM_TYPE };
  const wait = retryAfter(problem);
  if (wait !== '') headers['retry-after'] = wait;
  return headers;
}

export function sendProblem(response: ServerResponse, problem: Problem, headers: Record<string, string> = {}): void {
  if (response.destroyed) return;
  const body = Buffer.from(JSON.stringify(problem));
  response.writeHead(problem.status, { ...problemHeaders(problem), ...headers, 'content-length': body.length });
  response.end(body);
}

/** What a client that is still sending may go on sending after it has been refused, before it is cut off. */
const LINGER_BYTES = 4 * 1024 * 1024;
const LINGER_MS = 2000;

/**
 * Refuses a request whose body is still on its way. Closing at once would make the kernel answer the unread bytes with a reset, which can destroy the answer before
 * the client has read it; so the answer goes out whole, a bounded rest is read and thrown away, and then the connection ends.
 */
export function refuseUnread(
  request: IncomingMessage,
  response: ServerResponse,
  problem: Problem,
  headers = problemHeaders(problem),
): void {
  if (response.destroyed) return;
  const body = Buffer.from(JSON.stringify(problem));
  response.shouldKeepAlive = false;
  response.writeHead(problem.status, {
    ...headers,
    'content-length': body.length,
    connection: 'close',
  });
  response.write(body);
  let rest = LINGER_BYTES;
  const finish = (): void => {
    clearTimeout(timer);
    request.off('data', discard);
    request.off('end', finish);
    request.off('close', finish);
    if (!response.writableEnded) response.end();
  };
  const discard = (chunk: Buffer): void => {
    rest -= chunk.length;
    if (rest < 0) finish();
  };
  const timer = setTimeout(finish, LINGER_MS);
  request.on('data', discard);
  request.on('end', finish);
  request.on('close', finish);
  request.resume();
}
