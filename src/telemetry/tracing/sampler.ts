import type { TraceContext } from './trace-context.js';

export interface SamplingSettings {
  /** From 0 to 1. */
  readonly ratio: number;
  readonly parentBased: boolean;
}

/** Words of the trace id that are random by any of its specifications: the last 56 bits, of which a double takes 52 exactly. */
const DIGITS = 13;
const RANGE = 16 ** DIGITS;

/**
 * Head sampling: decided once, when an invocation comes. By the trace id alone where nobody has decided, so that every worker that sees a trace with the same ratio decides alike,
 * and one with a larger ratio records all that one with a smaller does (as OpenTelemetry's TraceIdRatioBased).
 */
export function isSampled(
  { ratio, parentBased }: SamplingSettings,
  traceId: string,
  parent: TraceContext | null,
): boolean {
  if (parentBased && parent !== null) return parent.sampled;
  return Number.parseInt(traceId.slice(-DIGITS), 16) < ratio * RANGE;
}
