/**
 * W3C Trace Context (https://www.w3.org/TR/trace-context/): what a caller says of the trace that its request belongs to, and what is said on. Ids are lower-case hex
 * text, as they travel.
 */
export interface TraceContext {
  /** 32 hex digits, not all zero. */
  readonly traceId: string;
  /** Of the span that calls; 16 hex digits, not all zero. */
  readonly spanId: string;
  readonly sampled: boolean;
  /** Of other vendors, handed on as it came; '' = none. */
  readonly tracestate: string;
}

/** As headers, environment or frame carry it. */
export interface TraceHeaders {
  readonly traceparent: string;
  /** '' = none. */
  readonly tracestate: string;
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const SAMPLED = 1;
/** The least that has to be handed on; more may be cut off. */
const TRACESTATE_LIMIT = 512;

/**
 * Null for what is no context: the specification has whoever receives a malformed one begin a new trace. Of a later version the known part is read; version 00 has no more than that.
 */
export function parseTraceContext(traceparent: string, tracestate: string): TraceContext | null {
  const found = TRACEPARENT.exec(traceparent.trim());
  if (found === null) return null;
  const [, version, traceId, spanId, flags, rest] = found as unknown as [
    string,
    string,
    string,
    string,
    string,
    string?,
  ];
  if (version === 'ff' || (version === '00' && rest !== undefined)) return null;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return null;
  const sampled = (Number.parseInt(flags, 16) & SAMPLED) !== 0;
  return { traceId, spanId, sampled, tracestate: readTracestate(tracestate) };
}

export function traceparentOf(traceId: string, spanId: string, sampled: boolean): string {
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;
}

/** '' for what cannot go into a header again. Too long a list loses its last members, as the specification wants, never a part of one. */
function readTracestate(text: string): string {
  const trimmed = text.trim();
  if (!/^[\x20-\x7e\t]*$/.test(trimmed)) return '';
  if (trimmed.length <= TRACESTATE_LIMIT) return trimmed;
  const cut = trimmed.slice(0, TRACESTATE_LIMIT + 1).lastIndexOf(',');
  return cut <= 0 ? '' : trimmed.slice(0, cut);
}
