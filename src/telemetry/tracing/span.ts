/** A span as it is exported: times are µs, since no double holds ns since 1970. */

export type AttributeValue = string | number | boolean;
/** Numbers are integers. */
export type Attributes = readonly (readonly [key: string, value: AttributeValue])[];

/** Numbers of OpenTelemetry's `SpanKind`. */
export const SpanKind = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const;

export interface SpanEvent {
  readonly name: string;
  /** µs since 1970. */
  readonly atUs: number;
  readonly attributes: Attributes;
}

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  /** '' = it begins the trace. */
  readonly parentId: string;
  readonly tracestate: string;
  readonly name: string;
  readonly kind: number;
  /** µs since 1970; integers below 2^53. */
  readonly startUs: number;
  readonly endUs: number;
  readonly attributes: Attributes;
  readonly events: readonly SpanEvent[];
  /** Why it failed; null = it did not. */
  readonly error: string | null;
}
