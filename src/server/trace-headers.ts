/** W3C Trace Context. Node joins what comes several times with commas: of `tracestate` that is what the specification wants, a `traceparent` is none then. */
export interface TraceRequestHeaders {
  readonly traceparent?: string;
  readonly tracestate?: string;
}
