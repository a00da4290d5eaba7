import { openTrace, type TraceOptions } from '../traces/open-trace.js';
import { ScaledTrace, type TraceScale } from '../traces/scaled-trace.js';
import type { TraceSource } from '../traces/trace-source.js';

export interface LoadTraceOptions extends TraceOptions {
  readonly scale?: TraceScale | undefined;
}

/** A trace as a load is driven by it: live and simulated alike. */
export async function openLoadTrace({ scale, ...options }: LoadTraceOptions): Promise<TraceSource> {
  const trace = await openTrace(options);
  return scale === undefined ? trace : new ScaledTrace(trace, scale);
}
