import type { IncomingHttpHeaders } from 'node:http';

/** What clients say in `x-iluvatar-*` request headers, checked without regular expressions: this is on the way of every invocation. */

const MAX_TIMEOUT_MS = 86_400_000;
const MAX_TID = 128;

export const TID_RULE = `x-iluvatar-tid must be 1 to ${MAX_TID} printable characters without spaces`;
export const TIMEOUT_RULE = `x-iluvatar-timeout-ms must be an integer from 1 to ${MAX_TIMEOUT_MS}`;

/** Whether a transaction id may come back in a header and go into a log line. */
export function isTid(text: string): boolean {
  if (text.length === 0 || text.length > MAX_TID) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x21 || code > 0x7e) return false;
  }
  return true;
}

/** ms; −1 = not a time-out. */
export function readTimeout(text: string): number {
  const value = Number(text);
  return Number.isInteger(value) && value >= 1 && value <= MAX_TIMEOUT_MS ? value : -1;
}

/** W3C Trace Context. Node joins what comes several times with commas: of `tracestate` that is what the specification wants, a `traceparent` is none then. */
export interface TraceRequestHeaders {
  readonly traceparent?: string;
  readonly tracestate?: string;
}

/** What only an asynchronous invocation takes, and what it is told of its trace; checked by its schema. */
export function asyncHeaders(
  headers: IncomingHttpHeaders,
): { idempotencyKey?: string; webhook?: string } & TraceRequestHeaders {
  const { traceparent, tracestate } = headers as TraceRequestHeaders;
  const idempotencyKey = headers['idempotency-key'];
  const webhook = headers['x-iluvatar-webhook'];
  return {
    ...(typeof idempotencyKey === 'string' ? { idempotencyKey } : {}),
    ...(typeof webhook === 'string' ? { webhook } : {}),
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(tracestate === undefined ? {} : { tracestate }),
  };
}
